"""Is a motion a drift or a random walk? Displacements beside those of the same updates with random signs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from eigentrail.trajectories import nulls
from eigentrail.trajectories.gram import double_centred, updates_gram
from eigentrail.trajectories.memory import Memory, whitened

_LAGS = 12
_NONE = Memory()


@dataclass(frozen=True)
class WalkTest:
    """How straight a motion is, beside random walks with updates of the same size and directions.

    Attributes:
        straightness: ||w(T) - w(1)||^2 / sum ||w(t+1) - w(t)||^2; 1 on average for a random walk, the number of
            updates for a straight line, below 1 for a motion that returns.
        null: [draws] the same with random signs of the updates.
        expected: the mean of that over all signs: 1, and more where the optimizer has momentum.
        percentile: where it lies among them, 0 to 100; None without draws.
        p_value: probability of so straight a random walk; None without draws.
        share: share of the first principal component in the variance (a random walk has 6 / pi^2 = .61 in high
            dimension).
        share_null: [draws] the same of the walks.
        share_percentile: where the share lies among them; None without draws.
        others_straightness: the straightness of what the first component leaves.
        others_null: [draws] the same of the walks, of which the first component is taken too.
        others_percentile: where it lies among them; None without draws. Between 2.5 and 97.5 what is left cannot be
            told from a random walk.
        persistence: mean inner product of consecutive updates over their mean square, the memory of the optimizer taken
            out: 0 for independent ones.
        persistence_null: [draws] the same of the updates in random order, which keeps a constant drift.
        persistence_percentile: where it lies among them; None without draws.
        exponent: of the mean squared displacement over time, 1 for a random walk, 2 for a drift, less than 1 for a
            motion that is confined.
    """

    straightness: float
    null: Float64[np.ndarray, " d"]
    expected: float
    percentile: float | None
    p_value: float | None
    share: float
    share_null: Float64[np.ndarray, " d"]
    share_percentile: float | None
    others_straightness: float
    others_null: Float64[np.ndarray, " d"]
    others_percentile: float | None
    persistence: float
    persistence_null: Float64[np.ndarray, " d"]
    persistence_percentile: float | None
    exponent: float

    @property
    def times(self) -> float:
        """How many times as far as a random walk the motion gets, in squared displacement."""
        return self.straightness / self.expected


def walk_test(
    g: Float64[np.ndarray, "t t"],
    times: Float64[np.ndarray, " t"],
    draws: int,
    seed: int,
    memory: Memory = _NONE,
) -> WalkTest:
    """Test a trajectory from the inner products of its steps.

    Args:
        g: [T, T] Gram matrix of the weights, from any origin.
        times: [T] when the steps are.
        draws: how many walks to draw.
        seed: seed of the signs.
        memory: how updates remember each other without any drift.

    Returns:
        The test.
    """
    products = updates_gram(g)
    path = float(np.trace(products))
    straightness = float(products.sum()) / path
    colour = memory.colour(times)
    null = nulls.flipped_displacements(products, draws, seed, colour) / path if draws else np.zeros(0)
    share, others = _shares(g)
    fresh = whitened(products, colour)
    persistence = _persistence(fresh, np.arange(len(fresh)))
    shuffled = np.array([_persistence(fresh, order) for order in nulls.permutations(len(fresh), draws, seed)])
    walks = nulls.flipped_grams(products, draws, seed, colour)
    drawn = np.array([_shares(walk) for walk in walks]).reshape(-1, 2)
    return WalkTest(
        straightness=straightness,
        null=null,
        expected=nulls.expected_displacement(products, colour) / path,
        percentile=nulls.percentile(straightness, null) if draws else None,
        p_value=nulls.p_value(straightness, null) if draws else None,
        share=share,
        share_null=drawn[:, 0],
        share_percentile=nulls.percentile(share, drawn[:, 0]) if draws else None,
        others_straightness=others,
        others_null=drawn[:, 1],
        others_percentile=nulls.percentile(others, drawn[:, 1]) if draws else None,
        persistence=persistence,
        persistence_null=shuffled.reshape(draws),
        persistence_percentile=nulls.percentile(persistence, shuffled) if draws else None,
        exponent=_exponent(g, times),
    )


def _persistence(products: Float64[np.ndarray, "u u"], order: Int64[np.ndarray, " u"]) -> float:
    return float(products[order[:-1], order[1:]].mean() / np.diag(products).mean())


def _shares(g: Float64[np.ndarray, "t t"]) -> tuple[float, float]:
    centred = double_centred(g)
    values, vectors = np.linalg.eigh(centred)
    rest = updates_gram(centred - values[-1] * np.outer(vectors[:, -1], vectors[:, -1]))
    path = float(np.trace(rest))
    # Nothing is left of a motion along one line but rounding.
    alone = path <= 1e-12 * float(np.trace(updates_gram(centred)))
    return float(values[-1] / np.trace(centred)), float("nan") if alone else float(rest.sum()) / path


def _exponent(g: Float64[np.ndarray, "t t"], times: Float64[np.ndarray, " t"]) -> float:
    count = len(g)
    lags = np.unique(np.round(np.geomspace(1, max(1, count // 3), _LAGS)).astype(int))
    if len(lags) < 2:
        return float("nan")
    square = np.diag(g)
    moved = [float((square[lag:] + square[:-lag] - 2.0 * np.diag(g, lag)).mean()) for lag in lags]
    spans = [float((times[lag:] - times[:-lag]).mean()) for lag in lags]
    if min(moved) <= 0.0:
        return float("nan")
    return float(np.polyfit(np.log(spans), np.log(moved), 1)[0])
