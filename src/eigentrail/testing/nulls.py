"""A conformance suite for a null: under it p-values are uniform, and what is planted is found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from eigentrail.chance import LEVEL, compare

#: How often a right null fails the suite, whose draws are seeded.
ERROR_RATE = 1e-3


def check_null(
    draw: Callable[[Any, int], Any],
    statistic: Callable[[Any], float],
    sample: Callable[[int], Any],
    planted: Callable[[int], Any],
    *,
    draws: int = 99,
    repeats: int = 200,
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Check that a null gives uniform p-values where it is true and small ones where it is not.

    Args:
        draw: `draw(x, seed)` gives x as chance would have it, such as with its entries in another order.
        statistic: a number of x that is large where x is no chance.
        sample: `sample(seed)` gives an x of which the null is true.
        planted: `planted(seed)` gives an x of which it is not.
        draws: of the null, for each x.
        repeats: how many samples.

    Returns:
        The p-values under the null, for checks of one's own.

    Raises:
        AssertionError: the same seed gives another draw, another seed the same one; p-values under the null are not
            uniform (a Kolmogorov-Smirnov test, which a right null fails once in a thousand times); or less than half
            of what is planted is found.
    """
    x = sample(0)
    same, again, other = (np.asarray(draw(x, seed), dtype=np.float64) for seed in (1, 1, 2))
    assert np.array_equal(same, again), "the same seed gives another draw"
    assert not np.array_equal(same, other), "another seed gives the same draw"

    def p_value(x: Any, first: int) -> float:
        null = [statistic(draw(x, first + number)) for number in range(draws)]
        return float(compare(statistic(x), np.asarray(null)).p)

    found = np.array([p_value(sample(number), 1000 * number) for number in range(repeats)])
    # A p-value from draws is a multiple of 1 / (draws + 1); spread over its step it is uniform.
    spread = found - np.random.default_rng(0).random(repeats) / (draws + 1)
    from scipy import stats  # takes half a second

    test = stats.kstest(spread, "uniform")
    assert test.pvalue > ERROR_RATE, (
        f"p-values under the null are not uniform: mean {found.mean():.3f}, {np.mean(found <= LEVEL):.1%} at or below "
        f"{LEVEL:g} (Kolmogorov-Smirnov p = {test.pvalue:.2g})"
    )
    power = np.mean([p_value(planted(number), 1000 * number) <= LEVEL for number in range(20)])
    assert power >= 0.5, f"only {power:.0%} of what is planted is found"
    return found
