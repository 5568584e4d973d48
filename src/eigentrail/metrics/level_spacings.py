"""Level spacings: how strongly neighbouring eigenvalues repel each other."""

from __future__ import annotations

from eigentrail.metrics.framework.contract import Column, Measured, metric_group
from eigentrail.spectra.fewest import too_few
from eigentrail.spectra.spectrum import Spectrum

_GROUP = "Levels and vectors"


@metric_group(
    Column(
        "spacing_ratio",
        label="Spacing ratio",
        meaning="Mean of smaller over larger of two neighbouring level spacings: how strongly eigenvalues repel each "
        "other.",
        group=_GROUP,
        units="0 to 1; needs no unfolding",
        source="Oganesyan & Huse 2007; Atas et al. 2013",
        chance="Random matrix 0.531; independent levels 0.386.",
        over_time=True,
        shown=True,
        averaged="mean",
    ),
    Column(
        "spacing_ratio_error",
        label="Ratio error",
        meaning="Standard error of the mean spacing ratio.",
        group=_GROUP,
        units="as the ratio",
    ),
    Column(
        "spacing_p_wigner",
        label="p Wigner",
        meaning="p-value of the unfolded spacings against the Wigner surmise.",
        group=_GROUP,
        units="0 to 1; unfolded over the nearest neighbours",
        source="Wigner 1957; Kolmogorov-Smirnov",
        chance="Uniform for a random matrix; small means other than a random matrix.",
    ),
    Column(
        "spacing_p_poisson",
        label="p Poisson",
        meaning="p-value of the unfolded spacings against independent levels.",
        group=_GROUP,
        units="0 to 1; unfolded over the nearest neighbours",
        source="Kolmogorov-Smirnov",
        chance="Tiny for a random matrix, whose levels repel.",
    ),
    order=150,
    version=3,
    of_noise=True,
)
def level_spacings(spectrum: Spectrum) -> Measured:
    """Compute the statistics of the spacings.

    Args:
        spectrum: of the matrix.

    Returns:
        Mean ratio with its error, and the agreement with Wigner's and Poisson's law.

    Raises:
        SpectrumError: there are fewer than 16 eigenvalues, or most are nearly equal.
    """
    spectrum.require_width()
    levels = len(spectrum) // spectrum.matrices
    if (few := too_few(levels)) is not None:
        raise few
    found = spectrum.spacings()
    return Measured(
        {
            "spacing_ratio": found.ratio_mean,
            "spacing_ratio_error": found.ratio_error,
            "spacing_p_wigner": found.p_wigner,
            "spacing_p_poisson": found.p_poisson,
        },
        found.note or None,
    )
