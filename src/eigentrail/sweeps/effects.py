"""How much an axis changes a measure, and how sure that is: paired differences over seeds, and permutation tests.

Seeds are what is repeated: runs of one seed begin alike and see their samples in one order, whatever the axes say, so
that differences are taken within a seed, and averaged over the other axes before anything is counted.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64
from scipy.special import ndtr, stdtrit

from eigentrail.chance import LEVEL, Compared, compare
from eigentrail.sweeps.blocks import Blocks

# Draws of the bootstrap and of the permutations, where they are too many to go through all.
_DRAWS = 4999
# With fewer seeds a bootstrap has too few values to draw from, and Student's interval is taken.
FEWEST_BOOTSTRAP = 6


@dataclass(frozen=True)
class Difference:
    """A paired difference over seeds.

    Attributes:
        value: the mean over seeds.
        low: the lower end of its 95% interval; NaN for one seed.
        high: the upper end.
        how: how the interval was made.
    """

    value: float
    low: float
    high: float
    how: str

    @property
    def clear(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class AxisEffect:
    """What an axis does to a measure.

    Attributes:
        blocks: the runs.
        means: [K] the mean of the measure at each value of the axis.
        intervals: [K, 2] its 95% interval over seeds; NaN for one seed.
        ends: the difference between the last and the first value of the axis, or for an axis without order between
            the values with the largest and the smallest mean.
        between: the two values that `ends` compares.
        any: the axis against no effect at all; None where it cannot be tested.
        trend: the same for a rise or fall along the axis; None for an axis without order.
        neighbours: the difference of each two neighbouring values.
        least_p: the smallest p-value that so many seeds can give.
    """

    blocks: Blocks
    means: Float64[np.ndarray, " k"]
    intervals: Float64[np.ndarray, "k two"]
    ends: Difference
    between: tuple[object, object]
    any: Compared | None
    trend: Compared | None
    neighbours: tuple[Difference, ...]
    least_p: float

    @property
    def monotone(self) -> bool | None:
        """Whether the measure only rises or only falls along the axis; None where the runs do not tell."""
        if self.trend is None or len(self.means) < 3:
            return None
        way = math.copysign(1.0, self.trend.observed)
        against = [one for one in self.neighbours if one.clear and one.value * way < 0]
        if against:
            return False
        with_it = np.diff(self.means) * way >= 0
        return True if self.trend.p <= LEVEL and bool(with_it.all()) else None


def effect_of(blocks: Blocks, seed: int = 0) -> AxisEffect:
    """Compare the values of an axis.

    Args:
        blocks: with at least two values and one seed.
        seed: of bootstrap and permutations.

    Returns:
        The effect.
    """
    rng = np.random.default_rng(seed)
    values = blocks.by_seed
    means = values.mean(axis=0)
    intervals = np.array([[d.low, d.high] for d in (difference(column, rng) for column in values.T)])
    first, last = (0, len(means) - 1) if blocks.ordered else (int(means.argmin()), int(means.argmax()))
    count = len(blocks.levels)
    patterns = math.factorial(count) ** len(values)
    anything = trend = None
    if len(values) > 1:
        tested = _standardised(values)
        # Reversed and exchanged orders of all seeds together say the same.
        anything = _permuted(tested, _spread, rng, "greater")
        if blocks.ordered:
            trend = _permuted(tested, _slope, rng, "two")
    return AxisEffect(
        blocks, means, intervals, difference(values[:, last] - values[:, first], rng),
        (blocks.levels[first], blocks.levels[last]), anything, trend,
        tuple(difference(values[:, k + 1] - values[:, k], rng) for k in range(count - 1)),
        min(1.0, max(math.factorial(count) / patterns, 1.0 / (_DRAWS + 1))) if len(values) > 1 else 1.0,
    )  # fmt: skip


def difference(values: Float64[np.ndarray, " s"], rng: np.random.Generator) -> Difference:
    """Average values over seeds, with an interval.

    Args:
        values: [S] one for each seed.
        rng: of the bootstrap.

    Returns:
        The mean with its 95% interval: from six seeds on the bootstrap's, widened for their small number (Hesterberg
        2015), below that Student's.
    """
    count, mean = len(values), float(values.mean())
    if count < 2:
        return Difference(mean, math.nan, math.nan, "one seed has no interval")
    quantile = float(stdtrit(count - 1, 0.975))
    if count < FEWEST_BOOTSTRAP:
        half = quantile * float(values.std(ddof=1)) / math.sqrt(count)
        return Difference(mean, mean - half, mean + half, f"Student's interval over {count} seeds")
    drawn = rng.choice(values, size=(_DRAWS, count)).mean(axis=1)
    tail = float(ndtr(-math.sqrt(count / (count - 1)) * quantile))
    low, high = np.quantile(drawn, [tail, 1.0 - tail])
    return Difference(mean, float(low), float(high), f"bootstrap over {count} seeds")


def seeds_needed(levels: int, level: float = LEVEL) -> int:
    """Count the seeds from which on an effect can be told from chance at all.

    Args:
        levels: the number of values of the axis.
        level: of significance.

    Returns:
        The smallest number of seeds with K! / (K!)^S at most the level.
    """
    seeds = 2
    while math.factorial(levels) ** (1 - seeds) > level:
        seeds += 1
    return seeds


def _standardised(values: Float64[np.ndarray, "s k"]) -> Float64[np.ndarray, "s k"]:
    """Ranks within each seed, equal values sharing theirs: no seed counts more than another."""
    from scipy.stats import rankdata  # takes half a second to import

    return np.asarray(rankdata(values, axis=1) - (values.shape[1] + 1) / 2.0)


def _spread(ranks: Float64[np.ndarray, "d s k"]) -> Float64[np.ndarray, " d"]:
    """How far the mean ranks of the values lie apart: Friedman's statistic but for its scale."""
    return np.asarray((ranks.mean(axis=1) ** 2).sum(axis=1))


def _slope(ranks: Float64[np.ndarray, "d s k"]) -> Float64[np.ndarray, " d"]:
    """How the ranks go along the axis: Page's statistic, centred and scaled to lie from -1 to 1."""
    places = np.arange(ranks.shape[2]) - (ranks.shape[2] - 1) / 2.0
    return np.asarray(ranks.mean(axis=1) @ places / (places @ places))


def _permuted(
    ranks: Float64[np.ndarray, "s k"], statistic: object, rng: np.random.Generator, side: object
) -> Compared:
    """Compare a statistic with those of values exchanged within each seed: all such exchanges, or many of them."""
    seeds, count = ranks.shape
    orders = np.array(list(itertools.permutations(range(count)))) if count <= 7 else None
    if orders is not None and len(orders) ** seeds <= _DRAWS:
        choices = np.array(list(itertools.product(range(len(orders)), repeat=seeds)))[1:]
        chosen: Int64[np.ndarray, "d s k"] = orders[choices]
    else:
        chosen = rng.permuted(np.broadcast_to(np.arange(count), (_DRAWS, seeds, count)).copy(), axis=2)
    drawn = np.take_along_axis(ranks[None], chosen, axis=2)
    found = statistic(ranks[None])[0]  # type: ignore[operator]
    return compare(float(found), statistic(drawn), side)  # type: ignore[operator, arg-type]
