"""Spearman's rank correlation with a permutation p-value, also with a third number held fixed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.stats
from jaxtyping import Float64

from eigentrail.chance import Compared, compare
from eigentrail.chance.comparing import Side
from eigentrail.errors import OptionError

_FEWEST = 4


def rank_correlation(
    x: Sequence[float],
    y: Sequence[float],
    given: Sequence[float] | None = None,
    *,
    side: Side = "two",
    draws: int = 2000,
    seed: int = 0,
) -> Compared:
    """Correlate ranks, and compare with the correlations after the partners of x were drawn anew.

    Args:
        x: [n] numbers.
        y: [n] numbers.
        given: [n] numbers; the ranks of x and y are taken as their residuals from lines in the ranks of these (partial
            rank correlation).
        side: which correlations count as extreme.
        draws: permutations.
        seed: of those.

    Returns:
        The correlation beside those of the permutations.

    Raises:
        OptionError: there are fewer than four pairs, or one of the numbers never changes.
    """
    ranks = [np.asarray(scipy.stats.rankdata(one), dtype=np.float64) for one in (x, y)]
    if len(ranks[0]) < _FEWEST or len(ranks[0]) != len(ranks[1]):
        raise OptionError(
            f"a rank correlation needs {_FEWEST} pairs, not {len(ranks[0])} and {len(ranks[1])} numbers"
        )
    if given is not None:
        third = scipy.stats.rankdata(given)
        ranks = [one - np.polyval(np.polyfit(third, one, 1), third) for one in ranks]
    if min(one.std() for one in ranks) < 1e-12 * len(ranks[0]):
        raise OptionError("a number that is the same in all pairs has no rank correlation")
    first, second = ((one - one.mean()) / one.std() for one in ranks)
    chance = np.random.default_rng(seed)
    null: Float64[np.ndarray, " d"] = np.array(
        [float(np.mean(first * chance.permutation(second))) for _ in range(draws)]
    )
    return compare(float(np.mean(first * second)), null, side)
