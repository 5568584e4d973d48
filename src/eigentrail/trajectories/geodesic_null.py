"""Scores of great circles through the singular vectors of motions that a null model makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from eigentrail._progress import Progress, silent
from eigentrail.chance.unit_vectors import independent_vectors
from eigentrail.linalg.sharing import shared
from eigentrail.linalg.subspace_iteration import SubspaceIteration
from eigentrail.trajectories.great_circle import score_paths
from eigentrail.trajectories.leading_vectors import SIDES, Follow, FollowedVectors, Side, follow_vector
from eigentrail.trajectories.path_walks import GaussianWalks, Motions, blocks_of

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
        rss: [side, dims, start, draw] their sums of squared residuals in radians^2.
        starts: those numbers.
    """

    scores: Float64[np.ndarray, "2 2 k d"]
    rss: Float64[np.ndarray, "2 2 k d"]
    starts: tuple[int, ...]


def path_scores(
    motions: Motions,
    draws: int,
    which: int = 0,
    starts: Sequence[int] = (0,),
    progress: Progress = silent,
    follow: Follow = "overlap",
) -> NullScores:
    """Draw motions once, for both singular vectors and for both kinds of circle.

    Args:
        motions: what the null model makes.
        draws: how many.
        which: as of the observed path.
        starts: how many steps to leave out at the beginning of the same motions.
        progress: is told of the motions done.
        follow: as of the observed path.

    Returns:
        The scores.
    """

    def scores(numbers: range) -> Float64[np.ndarray, "2 2 2 k b"]:
        progress("random walks", numbers.start, draws)
        walks = followed_motions(motions, numbers, which, follow)
        return _block_scores({side: walks.side(side) for side in SIDES}, starts)

    found = shared(scores, [(numbers,) for numbers in motion_blocks(motions, draws)])
    return _joined(found, starts)


def independent_scores(
    shape: tuple[int, int], count: int, draws: int, seed: int, starts: Sequence[int] = (0,)
) -> NullScores:
    """Score the circles through independent unit vectors, S0's own "random walk".

    Args:
        shape: rows and columns of the weights, the entries of left and right vectors.
        count: how many vectors a path has.
        draws: how many paths.
        seed: seed of the draws.
        starts: how many vectors to leave out at the beginning.

    Returns:
        The scores.
    """
    size = max(1, _MEMORY // (8 * 3 * count * sum(shape)))
    parts = []
    for first in range(0, draws, size):
        numbers = range(first, min(first + size, draws))
        entries = {"left": shape[0], "right": shape[1]}
        paths = {
            side: independent_vectors(count, entries[side], numbers, seed + place)
            for place, side in enumerate(SIDES)
        }
        parts.append(_block_scores(paths, starts))
    return _joined(parts, starts)


def _joined(blocks: Sequence[Float64[np.ndarray, "2 2 2 k b"]], starts: Sequence[int]) -> NullScores:
    scores, rss = np.concatenate([np.zeros((2, 2, 2, len(starts), 0)), *blocks], axis=4)
    return NullScores(scores, rss, tuple(starts))


def _block_scores(
    paths: Mapping[Side, Float64[np.ndarray, "b t n"]], starts: Sequence[int]
) -> Float64[np.ndarray, "2 2 2 k b"]:
    """Score the circles of both sides: [score or rss, side, dims, start, path]."""
    block = np.full((2, 2, 2, len(starts), len(paths["right"])), np.nan)
    for number, side in enumerate(SIDES):
        x = paths[side]
        wanted = [dims for dims in (1, 2) if x.shape[2] > dims + 1]
        found = score_paths(x, starts, wanted, _TOLERANCE)
        block[:, number, : len(wanted)] = found.score, found.rss
    return block


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
        motions = GaussianWalks(shape, 1.0, steps, seed + 1, colour, kept)

        def lengths(numbers: range) -> Float64[np.ndarray, " b"]:
            x = followed_motions(motions, numbers, which).side(side)
            chords = np.linalg.norm(np.diff(x, axis=1), axis=2)
            return np.asarray(2.0 * np.arcsin(np.clip(chords / 2.0, 0.0, 1.0)).sum(axis=1))

        found = shared(lengths, [(numbers,) for numbers in motion_blocks(motions, _TRIALS)])
        return float(np.concatenate(found).mean())

    if mean_length(high) < length:
        return np.full(count - 1, np.exp(high)), False
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2.0
        if mean_length(middle) < length:
            low = middle
        else:
            high = middle
    return np.full(count - 1, np.exp((low + high) / 2.0)), True


def motion_blocks(motions: Motions, draws: int) -> list[range]:
    """Cut draws of motions into blocks that `followed_motions` has the memory for.

    Args:
        motions: what the null model makes.
        draws: how many.

    Returns:
        Their numbers, block by block.
    """
    rows, cols = motions.shape
    return blocks_of(draws, 8 * (3 * rows * cols + 3 * motions.steps * (rows + cols)))


def followed_motions(
    motions: Motions, numbers: range, which: int, follow: Follow = "overlap"
) -> FollowedVectors:
    """Draw motions and follow a singular vector of each.

    Args:
        motions: what the null model makes.
        numbers: which of them.
        which: rank of the followed vector at the first step.
        follow: as of `follow_vector`.

    Returns:
        The vectors; their singular values are in the units of the motions.
    """
    return follow_vector(motions.drawn(numbers), which, SubspaceIteration(), follow)


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
