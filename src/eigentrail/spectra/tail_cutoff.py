"""A power law with exponential cut-off above xmin: maximum likelihood from two averages.

With u = x / xmin and s = log u the density is proportional to u^-a exp(-b (u - 1)) on u >= 1, with a >= 0 and b >= 0.
It is written as exp(-(a + b) s - b w), w = u - 1 - s: for steep tails s and u - 1 are nearly the same number, s and w
are not.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from jaxtyping import Float64
from scipy.special import roots_legendre


def fit_cutoff(t: Float64[np.ndarray, "n"]) -> tuple[float, float, float]:
    """Fit a power law with exponential cut-off by maximum likelihood.

    The log-likelihood is concave. Its maximum lies on the border b = 0 (a power law), on the border a = 0 (an
    exponential), or inside, where damped Newton steps find it.

    Args:
        t: log(x / xmin) over the tail, not all zero.

    Returns:
        a, b (in units of 1 / xmin) and the logarithm of the normaliser of u^-a exp(-b (u - 1)).
    """
    wanted = np.array((float(t.mean()), float(overshoot(t).mean())))
    power = 1.0 / float(wanted[0])
    pure = (power + 1.0, 0.0, -math.log(power))
    # Under the power law alone the mean of w is infinite up to alpha = 2: a cut-off then always helps, however little.
    if power > 1.0 and wanted[1] >= 1.0 / (power - 1.0) - 1.0 / power:
        return pure
    b = 1.0 / float(wanted.sum())
    exponential = (0.0, b, -math.log(b))
    if cutoff_moments(0.0, b)[1][0] <= wanted[0]:
        return exponential
    inside = _newton(wanted, b, 1e-6 * math.exp(-float(t.max())))
    return min((inside, exponential, pure), key=lambda m: m[2] + (m[0] + m[1]) * wanted[0] + m[1] * wanted[1])


def _newton(wanted: Float64[np.ndarray, "2"], b: float, least: float) -> tuple[float, float, float]:
    """Descend the negative log-likelihood from the exponential of rate b; a rate below `least` cuts nothing off."""
    at = np.array((b, b))  # a + b and b
    log_total, mean, covariance = cutoff_moments(0.0, b)
    best = log_total + float(at @ wanted)
    for _ in range(60):
        gradient = wanted - mean
        scale = np.sqrt(np.diag(covariance))
        step = -np.linalg.solve(covariance / np.outer(scale, scale), gradient / scale) / scale
        decrement = -float(gradient @ step)
        # A full step may leave b > 0, where there is no likelihood: stop nine tenths of the way.
        size = 1.0 if step[1] >= 0.0 else min(1.0, -0.9 * float(at[1]) / float(step[1]))
        while True:
            trial = at + size * step
            log_total, mean, covariance = cutoff_moments(float(trial[0] - trial[1]), float(trial[1]))
            value = log_total + float(trial @ wanted)
            if value <= best - 1e-4 * size * decrement or decrement < 1e-12 or size < 1e-10:
                break
            size *= 0.5
        at, best = trial, value
        if decrement < 1e-16 or at[1] < least:
            break
    return float(at[0] - at[1]), float(at[1]), log_total


def cutoff_moments(a: float, b: float) -> tuple[float, Float64[np.ndarray, "2"], Float64[np.ndarray, "2 2"]]:
    """Integrate the density proportional to u^-a exp(-b (u - 1)) on u >= 1.

    Gauss-Legendre in s = log u, up to where the integrand is negligible at double precision.

    Args:
        a: exponent.
        b: rate of the cut-off, above 0.

    Returns:
        Logarithm of the integral (which is exp(b) E_a(b)), then mean and covariance of (s, w).
    """
    nodes, weights = _legendre()
    end = math.log1p(80.0 / b)
    if a > 1.0:
        end = min(end, 45.0 / (a - 1.0))
    s = end * nodes
    rise = np.expm1(s)
    f = (1.0 - a) * s - b * rise
    top = float(f.max())
    f = weights * np.exp(f - top)
    total = float(f.sum())
    f /= total
    statistics = np.stack((s, overshoot(s)))
    mean = statistics @ f
    centred = statistics - mean[:, None]
    return math.log(total * end) + top, mean, (centred * f) @ centred.T


def overshoot(s: Float64[np.ndarray, "n"]) -> Float64[np.ndarray, "n"]:
    """Compute exp(s) - 1 - s without cancellation.

    Args:
        s: numbers >= 0.

    Returns:
        The same number of results.
    """
    return np.asarray(np.where(s < 1e-4, 0.5 * s * s * (1.0 + s / 3.0 + s * s / 12.0), np.expm1(s) - s))


@cache
def _legendre() -> tuple[Float64[np.ndarray, "k"], Float64[np.ndarray, "k"]]:
    """Nodes and weights on [0, 1]."""
    nodes, weights = roots_legendre(96)
    return 0.5 * (np.asarray(nodes) + 1.0), 0.5 * np.asarray(weights)
