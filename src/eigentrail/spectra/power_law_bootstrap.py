"""How good a power law is and how certain its exponent: bootstraps that select xmin anew in every draw."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from eigentrail.spectra.power_law_scan import TIE, scan, tails

_CHUNK = 1 << 20


def goodness_of_fit(
    logs: Float64[np.ndarray, "n"], start: int, exponent: float, distance: float, draws: int, seed: int
) -> float:
    """Compute the goodness-of-fit p-value of a fitted tail (Clauset, Shalizi & Newman 2009, section 4.1).

    Each draw has n values: with probability (tail size)/n a value of the fitted power law, otherwise one of the
    observed values below xmin. The whole procedure, the choice of xmin included, is repeated on it.

    Args:
        logs: ascending logarithms of the values.
        start: index of the tail's first value.
        exponent: the fitted `alpha - 1`.
        distance: the fitted Kolmogorov-Smirnov distance.
        draws: number of draws.
        seed: of the draws.

    Returns:
        (1 + number of draws at least as distant as the data) / (1 + draws), the p-value that is valid at any `draws`.
    """
    n = len(logs)
    random = np.random.default_rng((seed, 0))
    further = 0
    for count in _chunks(draws, n):
        sample = random.standard_exponential((count, n))
        sample /= exponent
        sample += logs[start]
        if start:
            body = random.random((count, n)) < start / n
            sample[body] = logs[random.integers(0, start, int(body.sum()))]
        sample.sort(axis=1)
        # The draw's distance is a minimum over tails: one tail closer than the data settles it.
        further += int((scan(tails(sample), stop_below=distance - TIE).distance >= distance - TIE).sum())
    return (1 + further) / (1 + draws)


def exponent_draws(logs: Float64[np.ndarray, "n"], draws: int, seed: int) -> Float64[np.ndarray, "draws"]:
    """Fit resamples of the values, xmin chosen anew in each.

    Args:
        logs: ascending logarithms of the values.
        draws: number of resamples (n values with replacement each).
        seed: of the resamples.

    Returns:
        `alpha` of each resample that has a tail with three distinct values.
    """
    n = len(logs)
    random = np.random.default_rng((seed, 1))
    alphas = []
    for count in _chunks(draws, n):
        index = random.integers(0, n, (count, n))
        index.sort(axis=1)
        best = scan(tails(logs[index]))
        alphas.append(1.0 + best.exponent[np.isfinite(best.distance)])
    return np.concatenate(alphas)


def _chunks(draws: int, n: int) -> list[int]:
    """Split the draws so that one chunk's arrays stay small."""
    size = max(1, _CHUNK // n)
    return [min(size, draws - low) for low in range(0, draws, size)]
