"""Power laws in the tail of a spectrum."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np

from error_rates.row import NULL, Row


def _pareto(body: bool, seed: int, count: int = 300) -> np.ndarray:
    """Values of a Pareto law, or of one that a body joins smoothly from below (Clauset, Shalizi & Newman 2009)."""
    rng = np.random.default_rng([seed, 2])
    alpha, below = 2.5, 0
    if body:
        share = np.expm1(2.5) / 2.5
        below = int(rng.binomial(count, share / (share + 1.0 / 1.5)))
    tail = (1.0 - rng.random(count - below)) ** (-1.0 / (alpha - 1.0))
    return np.concatenate([tail, -np.log1p(rng.random(below) * np.expm1(-alpha)) / alpha])


def _rejected(body: bool, seed: int) -> bool:
    from eigentrail.spectra.power_law import fit_power_law

    found = fit_power_law(_pareto(body, seed), bootstrap=NULL, alternatives=False)
    return found.p_value is not None and found.p_value <= 0.1


def _missed(body: bool, seed: int, count: int = 300) -> bool:
    from eigentrail.spectra.power_law import fit_power_law

    found = fit_power_law(_pareto(body, seed, count), bootstrap=NULL, alternatives=False)
    return found.alpha_interval is None or not found.alpha_interval[0] <= 2.5 <= found.alpha_interval[1]


def rows() -> Iterator[Row]:
    """List the rows of this subject."""
    says = "a power law is rejected (p at most .10)"
    yield Row("tails", says, "300 values of a Pareto law", 0.1, functools.partial(_rejected, False))
    yield Row(
        "tails",
        says,
        "300 values, a body joined by a Pareto tail",
        0.15,
        functools.partial(_rejected, True),
    )
    misses = "the 95% interval of alpha does not hold it"
    yield Row("tails", misses, "300 values of a Pareto law", 0.1, functools.partial(_missed, False))
    yield Row(
        "tails",
        misses,
        "100 values of a Pareto law",
        0.2,
        functools.partial(_missed, False, count=100),
    )
    yield Row(
        "tails",
        misses,
        "300 values, a body joined by a Pareto tail",
        0.1,
        functools.partial(_missed, True),
    )
