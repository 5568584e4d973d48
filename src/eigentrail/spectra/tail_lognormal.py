"""A lognormal cut at xmin: maximum likelihood from two averages.

With t = log(x / xmin) the tail is a normal distribution cut at 0, an exponential family in (t, t^2).
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from jaxtyping import Float64
from scipy.optimize import brentq
from scipy.special import erfcx, log_ndtr

_LOG_SQRT_2PI = 0.5 * math.log(2.0 * math.pi)


def fit_cut_normal(t: Float64[np.ndarray, "n"]) -> tuple[float, float] | None:
    """Fit a normal distribution cut at 0 to t >= 0 by maximum likelihood.

    With z = -mu / sigma the ratio E[t^2] / E[t]^2 grows from 1 to 2 with z, so one scalar equation gives z, and the
    mean gives sigma. At a sample ratio of 2 or more there is no interior maximum: the likelihood grows towards
    z = infinity, where t is exponential and x a power law.

    Args:
        t: log(x / xmin) over the tail, not all zero.

    Returns:
        z and sigma, or None where the best fit is the power-law limit.
    """
    m1, m2 = float(t.mean()), float(np.mean(t * t))
    wanted = m2 / m1**2
    if wanted >= 2.0 - 1e-7:
        return None

    def excess(z: float) -> float:
        first, second, _ = cut_normal_moments(z)
        return second / first**2 - wanted

    # The value at the cut itself is t = 0, so the ratio is at least n / (n - 1) and both searches end.
    low, high = -1.0, 1.0
    while excess(low) > 0.0:
        low *= 2.0
    while excess(high) < 0.0:
        high *= 2.0
    z = float(brentq(excess, low, high, xtol=1e-13, rtol=1e-13))
    return z, m1 / cut_normal_moments(z)[0]


def log_density(t: Float64[np.ndarray, "n"], z: float, sigma: float) -> Float64[np.ndarray, "n"]:
    """Compute the log-density of t >= 0 under a normal with mean -z sigma, cut at 0.

    Args:
        t: where.
        z: minus mean over sigma.
        sigma: standard deviation before the cut.

    Returns:
        The log-density at each t.
    """
    scaled = t / sigma
    if z < -5.0:
        result = -0.5 * (scaled + z) ** 2 - float(log_ndtr(-z)) - _LOG_SQRT_2PI - math.log(sigma)
    else:
        result = -0.5 * scaled**2 - z * scaled - cut_normal_moments(z)[2] - math.log(sigma)
    return np.asarray(result)


def cut_normal_moments(z: float) -> tuple[float, float, float]:
    """Compute the moments of the density proportional to exp(-z t - t^2 / 2) on t >= 0.

    The closed form loses digits as z grows, because it subtracts nearly equal numbers; there a Gauss-Laguerre
    quadrature is exact to rounding.

    Args:
        z: any number.

    Returns:
        Mean, second moment, and the logarithm of the integral of exp(-z t - t^2 / 2).
    """
    if z > 6.0:
        w, weights = _laguerre()
        f = weights * np.exp(-0.5 * (w / z) ** 2)
        total, first, second = float(f.sum()), float(f @ w), float(f @ (w * w))
        return first / total / z, second / total / z**2, math.log(total / z)
    if z < -5.0:
        log_total = 0.5 * z * z + float(log_ndtr(-z)) + _LOG_SQRT_2PI
    else:
        log_total = math.log(math.sqrt(0.5 * math.pi) * float(erfcx(z / math.sqrt(2.0))))
    first = math.exp(-log_total) - z
    return first, 1.0 - z * first, log_total


@cache
def _laguerre() -> tuple[Float64[np.ndarray, "k"], Float64[np.ndarray, "k"]]:
    """Nodes and weights for the integral of exp(-w) f(w) over w >= 0."""
    return np.polynomial.laguerre.laggauss(60)
