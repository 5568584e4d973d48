"""The tail: a power law fitted to the largest eigenvalues, and whether it is one."""

from __future__ import annotations

from eigentrail.metrics.framework.contract import Column, DiagnosisOptions, Measured, metric_group
from eigentrail.metrics.framework.phrases import LAMBDA, NO_BOOTSTRAP
from eigentrail.spectra.spectrum import Spectrum

_CSN = "Clauset, Shalizi & Newman 2009"
_MM = "Martin & Mahoney 2021"


@metric_group(
    Column(
        "alpha",
        label="α",
        meaning="Exponent of the power law p(λ) ~ λ^(−α) fitted to the eigenvalues above xmin. By convention below 2 "
        "hints at over-, above 6 at under-training.",
        group="Tail",
        units="exponent of the density; maximum likelihood",
        source=f"{_CSN}; the range 2 to 6 is {_MM}'s convention",
        chance="Any spectrum gets a slope: for pure noise α is large and depends on the size. See the tail's model.",
        over_time=True,
        in_compare=True,
        shown=True,
        averaged="mean",
    ),
    Column(
        "alpha_error",
        label="α error",
        meaning="Standard error (α − 1)/√n of α at fixed xmin.",
        group="Tail",
        units="as α",
        source=_CSN,
        over_time=True,
    ),
    Column(
        "alpha_low",
        label="α low",
        meaning="Lower end of the 95% bootstrap interval, which chooses xmin anew. It holds α in 95% of "
        "cases or more with 300 eigenvalues, in 85% with 100.",
        group="Tail",
        units="as α",
        source=_CSN,
        absent=NO_BOOTSTRAP,
    ),
    Column(
        "alpha_high",
        label="α high",
        meaning="Upper end of the 95% bootstrap interval, which chooses xmin anew. It holds α in 95% of "
        "cases or more with 300 eigenvalues, in 85% with 100.",
        group="Tail",
        units="as α",
        source=_CSN,
        absent=NO_BOOTSTRAP,
    ),
    Column(
        "xmin",
        label="xmin",
        meaning="Where the tail starts: the value with the smallest fit distance.",
        group="Tail",
        units=LAMBDA,
        source=_CSN,
        over_time=True,
    ),
    Column(
        "ks_distance",
        label="Tail distance D",
        meaning="Kolmogorov-Smirnov distance between the tail and its power law.",
        group="Tail",
        units="0 to 1; uses (i − 1)/n for i = 1..n",
        source=_CSN,
        chance="A true power law stays below about 1.09/√n in 19 of 20 cases at a fixed xmin (n eigenvalues in the "
        "tail).",
        over_time=True,
    ),
    Column(
        "tail_size",
        label="Tail size",
        meaning="Number of eigenvalues at or above xmin.",
        group="Tail",
        units="count",
        source=_CSN,
        sort="count",
        over_time=True,
    ),
    Column(
        "tail_p_value",
        label="Tail p",
        meaning="Goodness of fit: share of synthetic power laws, refitted in full, that fit worse.",
        group="Tail",
        units="0 to 1; below 0.1 speaks against a power law",
        source=_CSN,
        chance="A true power law is below .1 in fewer than one of ten cases, one above a body in up to two of ten.",
        absent=NO_BOOTSTRAP,
    ),
    Column(
        "tail_model",
        label="Tail model",
        meaning="The model that the tail supports by likelihood ratios: power law, lognormal, exponential, truncated "
        "power law, none, or undecided.",
        group="Tail",
        units="two-sided 5% level",
        source=f"Vuong 1989; {_CSN}",
        chance="Noise is seldom a power law: its tail ends at the edge.",
        sort="text",
        over_time=True,
        shown=True,
    ),
    order=60,
    version=4,
)
def power_law(spectrum: Spectrum, options: DiagnosisOptions) -> Measured:
    """Fit the tail.

    Args:
        spectrum: of the matrix.
        options: its `bootstrap` and `seed`.

    Returns:
        Exponent with its uncertainty, where the tail starts, how well it fits, and the model it supports.
    """
    fit = spectrum.power_law(bootstrap=options.bootstrap, seed=options.seed)
    low, high = fit.alpha_interval or (None, None)
    return Measured(
        {
            "alpha": fit.alpha,
            "alpha_error": fit.alpha_error,
            "alpha_low": low,
            "alpha_high": high,
            "xmin": fit.xmin,
            "ks_distance": fit.ks_distance,
            "tail_size": fit.tail_size,
            "tail_p_value": fit.p_value,
            "tail_model": fit.model,
        },
        fit.note or None,
    )
