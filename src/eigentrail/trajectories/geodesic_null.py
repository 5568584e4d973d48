"""Scores of great circles through the singular vectors of matrices that only walk at random."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float64

from eigentrail.trajectories.great_circle import fit_great_circles
from eigentrail.trajectories.leading_vectors import Side, follow_vector
from eigentrail.trajectories.nulls import weight_walks

_MEMORY = 2**26
_TOLERANCE = 1e-6
_TRIALS = 24
_BISECTIONS = 7


def null_scores(
    shape: tuple[int, int],
    start_norm: float,
    step_norms: Float64[np.ndarray, " s"],
    draws: int,
    seed: int,
    dims: int,
    which: int,
    side: Side,
) -> Float64[np.ndarray, " d"]:
    """Let Gaussian matrices walk, follow their singular vector, fit its circle.

    Args:
        shape: rows and columns.
        start_norm: Frobenius norm of the first matrix.
        step_norms: [T - 1] Frobenius norms of the steps.
        draws: how many walks.
        seed: seed of the draws.
        dims: as of the observed path.
        which: as of the observed path.
        side: as of the observed path.

    Returns:
        [draws] scores.
    """
    return np.concatenate(
        [
            fit_great_circles(x, dims, _TOLERANCE).score
            for x in _paths(shape, start_norm, step_norms, draws, seed, which, side)
        ]
    )


def matched_step(
    shape: tuple[int, int], count: int, length: float, which: int, side: Side, seed: int
) -> tuple[Float64[np.ndarray, " s"], bool]:
    """Find the constant step, in units of the start's norm, with which walks have paths of a given length.

    Args:
        shape: rows and columns.
        count: how many steps a path has.
        length: the wanted sum of the angles from step to step, in radians.
        which: as of the observed path.
        side: as of the observed path.
        seed: seed of the draws.

    Returns:
        [count - 1] step norms; and False where no step gives so long a path, then those of the longest are given.
    """
    low, high = np.log(1e-5), np.log(10.0)

    def mean_length(log_step: float) -> float:
        steps = np.full(count - 1, np.exp(log_step))
        lengths = []
        for x in _paths(shape, 1.0, steps, _TRIALS, seed + 1, which, side):
            chords = np.linalg.norm(np.diff(x, axis=1), axis=2)
            lengths.append(2.0 * np.arcsin(np.clip(chords / 2.0, 0.0, 1.0)).sum(axis=1))
        return float(np.concatenate(lengths).mean())

    if mean_length(high) < length:
        return np.full(count - 1, np.exp(high)), False
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2.0
        if mean_length(middle) < length:
            low = middle
        else:
            high = middle
    return np.full(count - 1, np.exp((low + high) / 2.0)), True


def _paths(
    shape: tuple[int, int],
    start_norm: float,
    step_norms: Float64[np.ndarray, " s"],
    draws: int,
    seed: int,
    which: int,
    side: Side,
) -> Iterator[Float64[np.ndarray, "b t n"]]:
    per_walk = 8 * (3 * shape[0] * shape[1] + 3 * (len(step_norms) + 1) * max(shape))
    size = max(1, min(draws, _MEMORY // per_walk))
    for first in range(0, draws, size):
        numbers = range(first, min(first + size, draws))
        yield follow_vector(weight_walks(shape, start_norm, step_norms, numbers, seed), which, side).vectors
