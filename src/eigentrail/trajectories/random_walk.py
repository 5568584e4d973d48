"""Is a motion a drift or a random walk? Displacements beside those of the same updates with random signs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from eigentrail.chance import Compared, compare_drawn, p_of, percentile_of
from eigentrail.chance.flipped_updates import flipped_updates
from eigentrail.chance.optimizer_memory import NO_MEMORY, Memory
from eigentrail.chance.orders import permutations
from eigentrail.linalg.leading_eigenpairs import leading_eigenpairs
from eigentrail.trajectories.gram import double_centred, updates_gram

_LAGS = 12


@dataclass(frozen=True)
class WalkTest:
    """How straight a motion is, beside random walks with updates of the same size and directions.

    Attributes:
        straightness: ||w(T) - w(1)||^2 / sum ||w(t+1) - w(t)||^2; 1 on average for a random walk, the number of
            updates for a straight line, below 1 for a motion that returns.
        null: [draws] the same with random signs of the updates; empty without draws, as are the others.
        displacement: ||w(T) - w(1)||.
        expected: the mean of the straightness over all signs: 1, and more with momentum or weight decay.
        variance: variance of the first principal component, at the steps of the walks.
        variance_null: [draws] the same of the walks.
        share: share of the first principal component in the variance (a random walk has 6 / pi^2 = .61 in high
            dimension).
        share_null: [draws] the same of the walks.
        others_straightness: the straightness of what the first component leaves.
        others_null: [draws] the same of the walks, of which the first component is taken too.
        persistence: mean cosine of consecutive updates, what momentum and weight decay do to them taken out: 0 for
            independent ones, whatever a schedule does to their sizes.
        persistence_null: [draws] the same of the updates in random order, which keeps a constant drift.
        exponent: of the mean squared displacement over time, 1 for a random walk, 2 for a drift, less than 1 for a
            motion that is confined.
    """

    straightness: float
    null: Float64[np.ndarray, " d"]
    displacement: float
    expected: float
    variance: float
    variance_null: Float64[np.ndarray, " d"]
    share: float
    share_null: Float64[np.ndarray, " d"]
    others_straightness: float
    others_null: Float64[np.ndarray, " d"]
    persistence: float
    persistence_null: Float64[np.ndarray, " d"]
    exponent: float

    @property
    def compared(self) -> Compared | None:
        """The straightness beside the walks', both ways: a drift goes farther, a confined motion less far."""
        return compare_drawn(self.straightness, self.null, "two")

    @property
    def share_compared(self) -> Compared | None:
        """The share of the first component beside the walks'; None without draws."""
        return compare_drawn(self.share, self.share_null)

    @property
    def others_compared(self) -> Compared | None:
        """The straightness of what the first component leaves beside the walks', both ways; None without draws."""
        return compare_drawn(self.others_straightness, self.others_null, "two")

    @property
    def persistence_compared(self) -> Compared | None:
        """The persistence beside that of the updates in random order; None without draws."""
        return compare_drawn(self.persistence, self.persistence_null)

    @property
    def percentile(self) -> float | None:
        """Where the straightness lies among the walks', 0 to 100; None without draws."""
        return percentile_of(self.compared)

    @property
    def p_value(self) -> float | None:
        """Probability of a random walk so straight, or so far from straight, as this; None without draws."""
        return p_of(self.compared)

    @property
    def share_percentile(self) -> float | None:
        """Where the share lies among the walks'; None without draws."""
        return percentile_of(self.share_compared)

    @property
    def others_percentile(self) -> float | None:
        """Where the straightness of what is left lies among the walks'; None without draws."""
        return percentile_of(self.others_compared)

    @property
    def persistence_percentile(self) -> float | None:
        """Where the persistence lies among that of the updates in random order; None without draws."""
        return percentile_of(self.persistence_compared)

    @property
    def beyond(self) -> float:
        """The root of the squared displacement that is left when a random walk's is taken off.

        It is negative for a motion that gets less far than a walk.
        """
        left = 1.0 - self.expected / self.straightness if self.straightness > 0.0 else 0.0
        return float(np.sign(left) * np.sqrt(abs(left)) * self.displacement)

    @property
    def times(self) -> float:
        """How many times as far as a random walk the motion gets, in squared displacement."""
        return self.straightness / self.expected


def walk_test(
    g: Float64[np.ndarray, "t t"],
    times: Float64[np.ndarray, " t"],
    draws: int,
    seed: int,
    memory: Memory = NO_MEMORY,
) -> WalkTest:
    """Test a trajectory from the inner products of its steps.

    Args:
        g: [T, T] Gram matrix of the weights, from an origin as of `flipped_updates`.
        times: [T] when the steps are.
        draws: how many walks to draw.
        seed: seed of the signs.
        memory: what momentum and weight decay do to a walk without any drift.

    Returns:
        The test.
    """
    path = float(np.trace(updates_gram(g)))
    updates = flipped_updates(g, times, memory)
    straightness = float(g[0, 0] + g[-1, -1] - 2.0 * g[0, -1]) / path
    variance, share, others = _shares(g)
    fresh = updates.products[1:, 1:]
    # Cosines: a schedule that makes updates small and large in turn is no order in their directions.
    sizes = np.sqrt(np.maximum(np.diag(fresh), np.finfo(np.float64).tiny))
    cosines = fresh / np.outer(sizes, sizes)
    orders = permutations(len(fresh), draws, seed)
    drawn = np.array([_shares(walk) for walk in updates.grams(draws, seed)]).reshape(-1, 3)
    return WalkTest(
        straightness=straightness,
        null=updates.displacements(draws, seed) / path,
        displacement=float(np.sqrt(straightness * path)),
        expected=updates.expected_displacement / path,
        variance=variance,
        variance_null=drawn[:, 0],
        share=share,
        share_null=drawn[:, 1],
        others_straightness=others,
        others_null=drawn[:, 2],
        persistence=_persistence(cosines, np.arange(len(fresh))),
        persistence_null=np.array([_persistence(cosines, order) for order in orders]).reshape(draws),
        exponent=_exponent(g, times),
    )


def _persistence(cosines: Float64[np.ndarray, "u u"], order: Int64[np.ndarray, " u"]) -> float:
    return float(cosines[order[:-1], order[1:]].mean())


def _shares(g: Float64[np.ndarray, "t t"]) -> tuple[float, float, float]:
    centred = double_centred(g)
    (largest,), vectors = leading_eigenpairs(centred, 1)
    rest = updates_gram(centred - largest * np.outer(vectors, vectors))
    path = float(np.trace(rest))
    # Nothing is left of a motion along one line but rounding.
    alone = path <= 1e-12 * float(np.trace(updates_gram(centred)))
    left = float("nan") if alone else float(rest.sum()) / path
    return float(largest) / len(g), float(largest / np.trace(centred)), left


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
