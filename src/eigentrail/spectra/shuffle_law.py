"""What a shuffle would give, by theorem, where the entries have light tails: nothing is drawn and nothing decomposed.

Entries in random places are exchangeable, and where their fourth moment is moderate the spectrum of a large matrix of
them follows the Marchenko-Pastur law, its largest eigenvalue the Tracy-Widom law (Bai & Yin 1993; Pillai & Yin 2014).
What could stand out is a single entry x or the mean m: each is a direction of rank one, of strength |x| or
|m| sqrt(N M), and stands out of entries of variance s^2 only beyond s (N M)^(1/4) (Benaych-Georges & Nadakuditi 2012).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Shaped

from eigentrail.spectra import tracy_widom
from eigentrail.spectra.entry_statistics import EntryStatistics
from eigentrail.spectra.randomized import ShuffleNull, shuffled_null

#: From this order on the law is taken; below, a moderate fourth moment moves the edge by as much as chance does.
ORDER = 1024
# Share of the strength from which on a direction of rank one stands out, and the largest fourth moment: that of a
# Laplace distribution moves the edge by less than half of the Tracy-Widom law's unit at this order.
_SHARE, _KURTOSIS = 0.5, 6.0


def null_of(
    a: Shaped[np.ndarray, "k rows cols"], entries: EntryStatistics, mean_square: float, seed: int = 0
) -> ShuffleNull:
    """Give the upper end of the spectrum of the shuffled matrix: by theorem, or of a matrix that is drawn.

    Args:
        a: [k, N, M] with N >= M, finite, as `eigenvalues.checked_stack` returns it.
        entries: statistics of the entries.
        mean_square: of the entries, which is the mean of the eigenvalues.
        seed: of the shuffle where one is drawn.

    Returns:
        The null.
    """
    count, n, m = a.shape
    known = law_of_shuffle(entries, (count, n, m), mean_square, seed)
    return shuffled_null(a, seed, complete=False) if known is None else known


def law_of_shuffle(
    entries: EntryStatistics, shape: tuple[int, int, int], mean_square: float, seed: int = 0
) -> ShuffleNull | None:
    """Give the upper end of the spectrum of the shuffled matrix where a theorem says it.

    Args:
        entries: statistics of the entries of all matrices.
        shape: k, N, M with N >= M.
        mean_square: of the entries.
        seed: that of the shuffle which is not needed.

    Returns:
        The null, whose only node is the median of the largest eigenvalue; None where a shuffle has to be drawn.
    """
    count, n, m = shape
    stands_out = (n * m) ** 0.25
    light = (
        m >= ORDER
        and entries.kurtosis <= _KURTOSIS
        and entries.largest <= _SHARE * stands_out
        and abs(entries.mean) * stands_out <= _SHARE
    )
    if not light:
        return None
    largest = tracy_widom.threshold(n, m, mean_square**0.5, 0.5, count)
    return ShuffleNull(np.array([largest]), n, m, count, seed, np.array([float(count * m)]), mean_square)
