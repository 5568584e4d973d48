"""The spikes of one step with their singular vectors, to be told apart from those of other steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int64

# Vectors are kept for every analysed step: so many numbers at each, whatever the shape.
_NUMBERS = 160_000
_FEWEST, _MOST = 8, 64


def kept_directions(rows: int, cols: int) -> int:
    """Choose how many spikes of a step are followed, so that a long run stays small.

    Args:
        rows: N of the matrix.
        cols: M of the matrix.

    Returns:
        8 to 64, fewer for larger matrices, at most M.
    """
    return min(cols, int(np.clip(_NUMBERS // (rows + cols), _FEWEST, _MOST)))


@dataclass(frozen=True)
class Directions:
    """Singular values above the noise and their vectors, largest first.

    Attributes:
        values: [s] singular values.
        matrix: [s] which matrix of a pool each belongs to.
        long: [s, N] unit vectors on the long side.
        short: [s, M] unit vectors on the short side.
    """

    values: Float64[np.ndarray, " s"]
    matrix: Int64[np.ndarray, " s"]
    long: Float32[np.ndarray, "s n"]
    short: Float32[np.ndarray, "s m"]

    def __len__(self) -> int:
        return len(self.values)

    @classmethod
    def none(cls, rows: int, cols: int) -> Directions:
        """Give the directions of a step without spikes.

        Args:
            rows: N.
            cols: M.

        Returns:
            No direction.
        """
        return cls(
            np.zeros(0),
            np.zeros(0, dtype=np.int64),
            np.zeros((0, rows), dtype=np.float32),
            np.zeros((0, cols), dtype=np.float32),
        )

    def overlaps(self, other: Directions) -> Float64[np.ndarray, "s o"]:
        """Compare with the directions of another step.

        Args:
            other: directions of the same matrix.

        Returns:
            |u_i . u_j| |v_i . v_j|, 0 between different matrices of a pool.
        """
        same = self.matrix[:, None] == other.matrix[None, :]
        found = np.abs(self.long @ other.long.T) * np.abs(self.short @ other.short.T)
        return np.asarray(np.where(same, found, 0.0), dtype=np.float64)


def chance_overlap(rows: int, cols: int) -> float:
    """Give the overlap of two random directions.

    Args:
        rows: N.
        cols: M.

    Returns:
        The mean of |u . u'| |v . v'| for uniform unit vectors, close to (2 / pi) / sqrt(N M).
    """
    return float(2 / np.pi / np.sqrt(rows * cols))


def concatenate(parts: Sequence[Directions]) -> Directions:
    """Put directions of several steps one behind the other.

    Args:
        parts: at least one.

    Returns:
        All of them.
    """
    return Directions(
        np.concatenate([p.values for p in parts]),
        np.concatenate([p.matrix for p in parts]),
        np.concatenate([p.long for p in parts]),
        np.concatenate([p.short for p in parts]),
    )
