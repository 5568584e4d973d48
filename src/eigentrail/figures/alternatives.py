"""Survival functions of the models that compete with the power law above xmin, for drawing them."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64
from scipy.special import log_ndtr


def alternative_ccdf(
    model: str, parameters: dict[str, float], x: Float64[np.ndarray, " n"], xmin: float
) -> Float64[np.ndarray, " n"]:
    """Give the probability of a value at or above x for a model of the tail that starts at xmin.

    Args:
        model: "lognormal", "exponential" or "truncated-power-law".
        parameters: `mu` and `sigma`; `rate`; `alpha` and `rate`, in the units of `x`.
        x: values >= xmin, ascending.
        xmin: where the tail starts.

    Returns:
        Probabilities, 1 at xmin; NaN throughout where the best fit is a limit that has no parameters of its own.
    """
    if not all(np.isfinite(v) for v in parameters.values()):
        return np.full(x.size, np.nan)
    if model == "exponential":
        return np.asarray(np.exp(-parameters["rate"] * (x - xmin)))
    if model == "lognormal":
        mu, sigma = parameters["mu"], parameters["sigma"]
        return np.asarray(np.exp(log_ndtr((mu - np.log(x)) / sigma) - log_ndtr((mu - np.log(xmin)) / sigma)))
    return _cutoff_ccdf(parameters["alpha"], parameters["rate"] * xmin, x / xmin)


def _cutoff_ccdf(a: float, b: float, u: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    """Integrate u^-a exp(-b u) from u to infinity, relative to the integral from 1."""
    if b <= 0:
        return np.asarray(u ** (1 - a))
    end = max(np.log1p(60 / b), np.log(u[-1])) + 1e-9
    s = np.linspace(0, end, 8193)
    f = np.exp((1 - a) * s - b * np.expm1(s))
    pieces = (f[1:] + f[:-1]) / 2
    above = np.append(np.cumsum(pieces[::-1])[::-1], 0.0)
    return np.asarray(np.interp(np.log(u), s, above / above[0]))
