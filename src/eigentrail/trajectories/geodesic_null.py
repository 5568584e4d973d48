"""Scores of great circles through the singular vectors of matrices that only walk at random."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from eigentrail._progress import Progress, silent
from eigentrail.chance.weight_walks import weight_walks
from eigentrail.linalg.subspace_iteration import SubspaceIteration
from eigentrail.trajectories.great_circle import score_products
from eigentrail.trajectories.leading_vectors import SIDES, FollowedVectors, Side, follow_vector

_MEMORY = 2**26
_TOLERANCE = 1e-6
_TRIALS = 24
_BISECTIONS = 7


@dataclass(frozen=True)
class NullScores:
    """Scores of walks, of both sides and both kinds of circle from the same draws.

    Attributes:
        scores: [side, dims, start, draw] with the sides in the order right, left, great circles before great
            2-spheres, and the number of steps that are left out at the beginning; NaN where a side is too small.
        starts: those numbers.
    """

    scores: Float64[np.ndarray, "2 2 k d"]
    starts: tuple[int, ...]


def null_scores(
    shape: tuple[int, int],
    start_norm: float,
    step_norms: Float64[np.ndarray, " s"],
    draws: int,
    seed: int,
    dims: int,
    which: int,
    side: Side,
    colour: Float64[np.ndarray, "s s"] | None = None,
    kept: Float64[np.ndarray, " s"] | None = None,
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
        colour: L of the covariance L L^T of the steps, see `Memory.colour`; None for independent ones.
        kept: [T - 1] what weight decay leaves of the weights from step to step, see `Memory.kept`; None for all.

    Returns:
        [draws] scores.
    """
    found = all_null_scores(shape, start_norm, step_norms, draws, seed, which, colour=colour, kept=kept)
    return np.asarray(found.scores[SIDES.index(side), dims - 1, 0])


def all_null_scores(
    shape: tuple[int, int],
    start_norm: float,
    step_norms: Float64[np.ndarray, " s"],
    draws: int,
    seed: int,
    which: int = 0,
    starts: Sequence[int] = (0,),
    progress: Progress = silent,
    colour: Float64[np.ndarray, "s s"] | None = None,
    kept: Float64[np.ndarray, " s"] | None = None,
) -> NullScores:
    """Let Gaussian matrices walk once, for both singular vectors and for both kinds of circle.

    Args:
        shape: rows and columns.
        start_norm: Frobenius norm of the first matrix.
        step_norms: [T - 1] Frobenius norms of the steps.
        draws: how many walks.
        seed: seed of the draws.
        which: as of the observed path.
        starts: how many steps to leave out at the beginning of the same walks.
        progress: is told of the walks done.
        colour: L of the covariance L L^T of the steps, see `Memory.colour`; None for independent ones.
        kept: [T - 1] what weight decay leaves of the weights from step to step, see `Memory.kept`; None for all.

    Returns:
        The scores.
    """
    parts = []
    done = 0
    for walks in walked_vectors(shape, start_norm, step_norms, draws, seed, which, colour, kept):
        progress("random walks", done, draws)
        block = np.full((2, 2, len(starts), len(walks.values)), np.nan)
        for number, side in enumerate(SIDES):
            x = walks.side(side)
            products = x @ x.swapaxes(1, 2)
            wanted = [dims for dims in (1, 2) if x.shape[2] > dims + 1]
            for place, first in enumerate(starts):
                scores = score_products(products[:, first:, first:], wanted, _TOLERANCE)
                block[number, : len(wanted), place] = scores
        parts.append(block)
        done += len(walks.values)
    return NullScores(np.concatenate(parts, axis=3), tuple(starts))


def matched_step(
    shape: tuple[int, int],
    count: int,
    length: float,
    which: int,
    side: Side,
    seed: int,
    colour: Float64[np.ndarray, "s s"] | None = None,
    kept: Float64[np.ndarray, " s"] | None = None,
) -> tuple[Float64[np.ndarray, " s"], bool]:
    """Find the constant step, in units of the start's norm, with which walks have paths of a given length.

    Args:
        shape: rows and columns.
        count: how many steps a path has.
        length: the wanted sum of the angles from step to step, in radians.
        which: as of the observed path.
        side: as of the observed path.
        seed: seed of the draws.
        colour: L of the covariance L L^T of the steps, see `Memory.colour`; None for independent ones.
        kept: [T - 1] what weight decay leaves of the weights from step to step, see `Memory.kept`; None for all.

    Returns:
        [count - 1] step norms; and False where no step gives so long a path, then those of the longest are given.
    """
    low, high = np.log(1e-5), np.log(10.0)

    def mean_length(log_step: float) -> float:
        steps = np.full(count - 1, np.exp(log_step))
        lengths = []
        for walks in walked_vectors(shape, 1.0, steps, _TRIALS, seed + 1, which, colour):
            x = walks.side(side)
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


def walked_vectors(
    shape: tuple[int, int],
    start_norm: float,
    step_norms: Float64[np.ndarray, " s"],
    draws: int,
    seed: int,
    which: int,
    colour: Float64[np.ndarray, "s s"] | None = None,
    kept: Float64[np.ndarray, " s"] | None = None,
) -> Iterator[FollowedVectors]:
    """Let Gaussian matrices walk and follow a singular vector of each.

    Args:
        shape: rows and columns.
        start_norm: Frobenius norm of the first matrix.
        step_norms: [T - 1] Frobenius norms of the steps.
        draws: how many walks.
        seed: seed of the draws.
        which: rank of the followed vector at the first step.
        colour: L of the covariance L L^T of the steps, see `Memory.colour`; None for independent ones.
        kept: [T - 1] what weight decay leaves of the weights from step to step, see `Memory.kept`; None for all.

    Yields:
        The vectors of some walks after the other, as many as memory allows; their singular values are in units of the
        power of two above `start_norm`.
    """
    # What is followed has no scale, and walks are made in float32: a power of two loses no digit.
    exponent = int(np.frexp(start_norm)[1])
    start_norm, step_norms = float(np.ldexp(start_norm, -exponent)), np.ldexp(step_norms, -exponent)
    per_walk = 8 * (3 * shape[0] * shape[1] + 3 * (len(step_norms) + 1) * sum(shape))
    size = max(1, min(draws, _MEMORY // per_walk))
    for first in range(0, draws, size):
        numbers = range(first, min(first + size, draws))
        yield follow_vector(
            weight_walks(shape, start_norm, step_norms, numbers, seed, colour, kept),
            which,
            SubspaceIteration(),
        )


def null_seconds(shape: tuple[int, ...], steps: int, draws: int) -> float:
    """Estimate what the null of a path takes, from measurements on one core of a server of 2023.

    Args:
        shape: rows and columns.
        steps: how many steps a path has.
        draws: how many walks.

    Returns:
        Seconds.
    """
    large, small = max(shape), min(shape)
    numbers = large * small
    walk = 5e-5 + 6e-9 * numbers + 2.5e-11 * numbers * small + 5e-9 * small**2
    return draws * (steps * walk + 8e-7 * steps**2)
