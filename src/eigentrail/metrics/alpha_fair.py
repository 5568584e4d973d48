"""The tail's exponent at one shape: for comparing layers of different aspect ratios."""

from __future__ import annotations

from typing import Any

from eigentrail.metrics.framework.contract import Column, DiagnosisOptions, metric_group
from eigentrail.spectra.fair_tail import fair_tail
from eigentrail.spectra.spectrum import Spectrum

_SOURCE = "after FARMS, Hu et al. 2025"


@metric_group(
    Column(
        "alpha_fair",
        label="α, fair",
        meaning="Exponent of the tail of square samples of at most 128 rows and columns, pooled. It moves less "
        "than α with the matrix's shape: compare layers of different aspect ratios by it.",
        group="Tail",
        units="exponent of the density; maximum likelihood",
        source=_SOURCE,
        chance="Noise has no tail: values from 8 to 46 by its shape, which mean nothing.",
        absent="the matrix has fewer than 8 columns",
    ),
    Column(
        "alpha_fair_error",
        label="α fair, error",
        meaning="Standard error of the fair α by the jackknife over its square samples; right within a factor of 3.",
        group="Tail",
        units="as α",
        source=_SOURCE,
    ),
    order=61,
)
def alpha_fair(spectrum: Spectrum, options: DiagnosisOptions, matrix: Any) -> dict[str, float]:
    """Fit the tail of square samples.

    Args:
        spectrum: of the matrix.
        options: its `seed`.
        matrix: [k, N, M] the entries.

    Returns:
        Exponent and error.
    """
    spectrum.require_width()
    found = fair_tail(matrix, options.seed)
    return {"alpha_fair": found.alpha, "alpha_fair_error": found.error}
