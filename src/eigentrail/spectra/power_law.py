"""The power-law tail of a spectrum: where it starts, its exponent, how certain it is, and whether it is one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from jaxtyping import Float64

from eigentrail._arrays import to_float64
from eigentrail._names import plotted_elsewhere
from eigentrail.errors import OptionError, SpectrumError
from eigentrail.spectra.fewest import too_few
from eigentrail.spectra.power_law_bootstrap import exponent_draws, goodness_of_fit
from eigentrail.spectra.power_law_scan import all_distances, scan, tails
from eigentrail.spectra.tail_models import Comparison, compare_models, verdict

# A tail of fewer is told of in the fit's note.
_SHORT_TAIL = 10
"""Fewer positive values than this are not fitted."""


@dataclass(frozen=True)
class PowerLaw:
    """A power law `p(x) ~ x^-alpha` fitted to the values above `xmin`.

    Attributes:
        alpha: exponent of the density, by maximum likelihood.
        alpha_error: its standard error at fixed xmin, `(alpha - 1) / sqrt(tail_size)`.
        xmin: the smallest value of the tail, in the units of the values.
        ks_distance: Kolmogorov-Smirnov distance between tail and fit, with (i - 1)/n for the i-th of n values.
        tail_size: number of values >= xmin.
        size: number of values that were fitted (positive ones).
        p_value: goodness of fit from the bootstrap; None without one. Small means: not a power law.
        alpha_interval: central 95% interval of `alpha` over resamples that choose xmin anew; None without a bootstrap.
        model: "power-law", "lognormal", "exponential", "truncated-power-law", "undecided" or "none"; see
            `eigentrail.spectra.tail_models.verdict` for the rule.
        comparisons: the power law against each alternative, by name; empty if they were not asked for.
        note: what to know about this fit, None if nothing.
    """

    alpha: float
    alpha_error: float
    xmin: float
    ks_distance: float
    tail_size: int
    size: int
    p_value: float | None = None
    alpha_interval: tuple[float, float] | None = None
    model: str = "undecided"
    comparisons: dict[str, Comparison] = field(default_factory=dict)
    note: str | None = None

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NoReturn:
            raise plotted_elsewhere(self, name, "tail")


@dataclass(frozen=True)
class KSCurve:
    """The fit of every tail.

    Attributes:
        xmins: every value at which a tail may start, ascending.
        distances: Kolmogorov-Smirnov distance of the tail that starts there.
        alphas: its maximum-likelihood exponent.
    """

    xmins: Float64[np.ndarray, "k"]
    distances: Float64[np.ndarray, "k"]
    alphas: Float64[np.ndarray, "k"]


def fit_power_law(values: Any, *, bootstrap: int = 0, seed: int = 0, alternatives: bool = True) -> PowerLaw:
    """Fit a power law to the upper tail of a spectrum (Clauset, Shalizi & Newman 2009).

    `xmin` is the value whose tail has the smallest Kolmogorov-Smirnov distance to its own maximum-likelihood power law,
    over all values but the two largest; ties go to the smallest. The search is exact. Nothing depends on the units:
    values at or below n * 2.2e-16 of the largest (n the number of values) are zero to rounding and left out, as are
    negative ones, and the logarithms are taken relative to the largest value.

    Args:
        values: eigenvalues, any order, shape [n]; numpy, torch or a sequence of numbers.
        bootstrap: number of draws for each of the two bootstraps (p-value and interval); 0 for none.
        seed: of the bootstraps.
        alternatives: whether to compare with the other models; without, `model` is "undecided" or "none".

    Returns:
        The fit.

    Raises:
        OptionError: if `bootstrap` or `seed` is negative.
        SpectrumError: if the values are not a list of finite numbers, are too few, or are constant.
    """
    if bootstrap < 0 or seed < 0:
        raise OptionError(f"bootstrap and seed must be 0 or more, not {bootstrap} and {seed}.")
    kept, logs, note = _prepare(values)
    best = scan(tails(logs[None]))
    start, exponent, distance = int(best.start[0]), float(best.exponent[0]), float(best.distance[0])
    tail, xmin, alpha = kept[start:], float(kept[start]), 1.0 + exponent
    p_value: float | None = None
    interval: tuple[float, float] | None = None
    notes = [note] if note else []
    if bootstrap:
        p_value = goodness_of_fit(logs, start, exponent, distance, bootstrap, seed)
        draws = exponent_draws(logs, bootstrap, seed)
        if 2 * len(draws) > bootstrap:
            low, high = np.quantile(draws, (0.025, 0.975))
            interval = (float(low), float(high))
        else:
            notes.append("most resamples take too few distinct values for an interval of alpha")
    comparisons = compare_models(tail, xmin, alpha) if alternatives else {}
    model, remark = verdict(comparisons, len(tail), p_value)
    if remark:
        notes.append(remark)
    if len(tail) < _SHORT_TAIL:
        notes.append(f"the tail holds only {len(tail)} values")
    return PowerLaw(
        alpha=alpha,
        alpha_error=exponent / float(np.sqrt(len(tail))),
        xmin=xmin,
        ks_distance=distance,
        tail_size=len(tail),
        size=len(kept),
        p_value=p_value,
        alpha_interval=interval,
        model=model,
        comparisons=comparisons,
        note="; ".join(notes) or None,
    )


def ks_curve(values: Any) -> KSCurve:
    """Compute the distance and the exponent of every tail, for a picture of how sharply xmin is chosen.

    Args:
        values: as for `fit_power_law`. The work grows with the square of their number.

    Returns:
        The curve; its smallest distance is the fit's.
    """
    kept, logs, _ = _prepare(values)
    fits = tails(logs[None])
    at = fits.candidates[0]
    return KSCurve(kept[at], all_distances(fits)[0, at], 1.0 + fits.exponents[0, at])


def _prepare(values: Any) -> tuple[Float64[np.ndarray, "k"], Float64[np.ndarray, "k"], str | None]:
    """Sort, check and drop what is zero to rounding; logarithms are relative to the largest value."""
    x = to_float64(values)
    if x.ndim != 1:
        raise SpectrumError(
            f"A power law is fitted to a list of eigenvalues, not to an array of shape {x.shape}."
        )
    if not np.isfinite(x).all():
        bad = int((~np.isfinite(x)).sum())
        raise SpectrumError(
            f"{bad} of the {len(x)} eigenvalues are NaN or infinite: remove them or mend the matrix."
        )
    x = np.sort(x)
    largest = float(x[-1]) if len(x) else 0.0
    floor = len(x) * np.finfo(np.float64).eps * largest
    kept = x[x > max(floor, 0.0)]
    if (few := too_few(len(kept))) is not None:
        raise few
    # What is constant to rounding has no distinct values either, whatever its last digits are.
    if float(kept[-1]) - float(kept[0]) <= floor or len(np.unique(kept)) < 3:
        raise SpectrumError(
            "The eigenvalues take fewer than three distinct values, which have no tail: nothing can be fitted to them."
        )
    dropped = len(x) - len(kept)
    note = (
        f"{dropped} of {len(x)} values are zero (to rounding) or negative and were left out"
        if dropped
        else None
    )
    # Near the largest value the difference is exact, its quotient with 1 is not: a narrow spectrum keeps its digits.
    logs = np.where(2.0 * kept > largest, np.log1p((kept - largest) / largest), np.log(kept / largest))
    return kept, logs, note
