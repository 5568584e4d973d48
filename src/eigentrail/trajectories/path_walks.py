"""The motions that the path of a singular vector is compared with, drawn a block at a time.

Three null models and one rival: walks of the observed updates with random signs ("signs"), Gaussian walks with the
observed norms ("walks"), independent unit vectors ("independent", which never were weights), and straight lines.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from jaxtyping import Float32, Float64, Int64

from eigentrail.chance.weight_walks import sign_walks, straight_lines, weight_walks
from eigentrail.trajectories.rows import Rows

#: Null models of a path.
NullModel: TypeAlias = Literal["signs", "walks", "independent"]
NULL_MODELS = ("signs", "walks", "independent")
# Bytes of the observed updates that are kept for walks made of them.
_MEMORY = 2**30


# So many motions are drawn and followed at once, at most: enough for one step's work to outweigh its calls, and few
# enough for several threads to have a share each.
_BLOCK = 50
_BLOCK_MEMORY = 2**26


def blocks_of(draws: int, nbytes: int) -> list[range]:
    """Cut draws into blocks, the same ones for any number of threads.

    Args:
        draws: how many there are.
        nbytes: the bytes that the work on one of them takes.

    Returns:
        Their numbers, block by block.
    """
    size = max(1, min(_BLOCK, _BLOCK_MEMORY // nbytes))
    return [range(first, min(first + size, draws)) for first in range(0, draws, size)]


class Motions(Protocol):
    """Weights over steps that a null model makes."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""

    @property
    def steps(self) -> int:
        """How many steps there are."""

    def drawn(self, draws: Sequence[int]) -> Iterator[Float32[np.ndarray, "b n m"]]:
        """Draw some of them.

        Args:
            draws: their numbers; each number is a motion of its own.

        Returns:
            The weights at each step.
        """


@dataclass(frozen=True)
class GaussianWalks:
    """Untrained Gaussian matrices that walk with given norms.

    Attributes:
        shape: rows and columns.
        start_norm: Frobenius norm of the first matrix.
        step_norms: [T - 1] Frobenius norms of what each step adds to the decayed weights.
        seed: seed of the draws.
        colour: L of the covariance L L^T of the steps, see `Memory.colour`; None for independent ones.
        kept: [T - 1] what weight decay leaves of the weights from step to step; None for all.
    """

    shape: tuple[int, int]
    start_norm: float
    step_norms: Float64[np.ndarray, " s"]
    seed: int
    colour: Float64[np.ndarray, "s s"] | None = None
    kept: Float64[np.ndarray, " s"] | None = None

    @property
    def steps(self) -> int:
        """How many steps there are."""
        return len(self.step_norms) + 1

    def drawn(self, draws: Sequence[int]) -> Iterator[Float32[np.ndarray, "b n m"]]:
        """Draw some walks.

        Args:
            draws: their numbers.

        Returns:
            As of `weight_walks`, in units of the power of two above `start_norm`.
        """
        # What is followed has no scale, and walks are made in float32: a power of two loses no digit.
        exponent = int(np.frexp(self.start_norm)[1])
        start, norms = float(np.ldexp(self.start_norm, -exponent)), np.ldexp(self.step_norms, -exponent)
        return weight_walks(self.shape, start, norms, draws, self.seed, self.colour, self.kept)


@dataclass(frozen=True)
class ObservedMotion:
    """The observed weights as a start and updates, of which walks are made.

    Attributes:
        start: [rows, cols] the first weights, in units of a power of two.
        updates: [T - 1, rows, cols] what each step adds to the decayed weights, in the same units.
        seed: seed of the draws.
        colour: L of the covariance L L^T of the updates, see `Memory.colour`; None for independent ones.
        kept: [T - 1] what weight decay leaves of the weights from step to step; None for all.
        shuffled: whether walks take the directions of the updates in random order too, see `sign_walks`.
    """

    start: Float32[np.ndarray, "n m"]
    updates: Float32[np.ndarray, "s n m"]
    seed: int
    colour: Float64[np.ndarray, "s s"] | None = None
    kept: Float64[np.ndarray, " s"] | None = None
    shuffled: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.start.shape[0], self.start.shape[1]

    @property
    def steps(self) -> int:
        """How many steps there are."""
        return len(self.updates) + 1

    def drawn(self, draws: Sequence[int]) -> Iterator[Float32[np.ndarray, "b n m"]]:
        """Draw walks of the updates with random signs.

        Args:
            draws: their numbers.

        Returns:
            As of `sign_walks`.
        """
        return sign_walks(self.start, self.updates, draws, self.seed, self.colour, self.kept, self.shuffled)

    def lines(self, walk: bool) -> StraightLines | None:
        """Give straight lines in random directions with the observed progress.

        Args:
            walk: whether what the updates have beside their line is walked on top, with random signs.

        Returns:
            The lines; None where the weights end where they began.
        """
        plain = self._plain()
        away = plain.sum(axis=0, dtype=np.float64)
        far = float(np.linalg.norm(away))
        if far <= 1e-12 * float(np.sqrt((plain.astype(np.float64) ** 2).sum())):
            return None
        away /= far
        along = np.einsum("snm,nm->s", plain, away)
        beside = plain - (along[:, None, None] * away).astype(np.float32) if walk else None
        return StraightLines(self.start, np.concatenate([[0.0], np.cumsum(along)]), beside, self.seed)

    def _plain(self) -> Float32[np.ndarray, "s n m"]:
        """The differences from step to step, decay included."""
        if self.kept is None or bool((self.kept == 1.0).all()):
            return self.updates
        weights, out = self.start.astype(np.float64), np.empty_like(self.updates)
        for place, share in enumerate(self.kept):
            after = share * weights + self.updates[place]
            out[place] = after - weights
            weights = after
        return out


@dataclass(frozen=True)
class StraightLines:
    """Straight lines in random directions of weight space.

    Attributes:
        start: [rows, cols] the first weights.
        progress: [T] how far along the line the weights are at each step.
        beside: [T - 1, rows, cols] what is walked on top of it with random signs; None for lines alone.
        seed: seed of the draws.
    """

    start: Float32[np.ndarray, "n m"]
    progress: Float64[np.ndarray, " t"]
    beside: Float32[np.ndarray, "s n m"] | None
    seed: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.start.shape[0], self.start.shape[1]

    @property
    def steps(self) -> int:
        """How many steps there are."""
        return len(self.progress)

    def drawn(self, draws: Sequence[int]) -> Iterator[Float32[np.ndarray, "b n m"]]:
        """Draw some lines.

        Args:
            draws: their numbers.

        Returns:
            As of `straight_lines`.
        """
        return straight_lines(self.start, self.progress, draws, self.seed, self.beside)


def observed_motion(
    rows: Rows,
    places: Int64[np.ndarray, " t"],
    seed: int,
    colour: Float64[np.ndarray, "s s"] | None = None,
    kept: Float64[np.ndarray, " s"] | None = None,
) -> ObservedMotion | None:
    """Read the weights at some steps as a start and updates.

    Args:
        rows: weights that are matrices, checked for zeros and size before.
        places: numbers of the steps.
        seed: of the walks made of them.
        colour: as of `ObservedMotion`.
        kept: as of `ObservedMotion`.

    Returns:
        The motion; None where the updates take more than 1 GiB.
    """
    if 4 * (len(places) - 1) * rows.n > _MEMORY:
        return None
    shape = (rows.shape[0], rows.n // rows.shape[0])
    read = rows.one_by_one(places)
    last: Any = np.asarray(next(read), dtype=np.float64)
    exponent = int(np.frexp(np.abs(last).max())[1])
    last = np.ldexp(last, -exponent)
    start = last.reshape(shape).astype(np.float32)
    updates = np.empty((len(places) - 1, *shape), dtype=np.float32)
    for number, step in enumerate(read):
        now = np.ldexp(np.asarray(step, dtype=np.float64), -exponent)
        left = last if kept is None else kept[number] * last
        updates[number] = (now - left).reshape(shape)
        last = now
    return ObservedMotion(start, updates, seed, colour, kept)
