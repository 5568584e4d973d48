"""The same entries with random signs: the spikes that unequal variances make, without any correlation."""

from __future__ import annotations

from typing import Any

from eigentrail.metrics.framework.contract import DiagnosisOptions, metric
from eigentrail.spectra.randomized import signed_null
from eigentrail.spectra.spectrum import Spectrum


@metric(
    label="Spikes, random signs",
    meaning="Spikes that are left when each entry gets a random sign (seeded) and keeps its size and place: unequal "
    "variances of rows and columns make them, not correlation. Only spikes beyond these are correlation.",
    group="Bulk and spikes",
    units="count above the threshold of the matrix with random signs",
    source="random signs of the entries",
    chance="0 for entries of equal variance.",
    absent="there is no spike to explain, or the null was not asked for",
    order=52,
    version=3,
    of_noise=True,
    sort="count",
)
def null_signs(spectrum: Spectrum, options: DiagnosisOptions, matrix: Any) -> int | None:
    """Count the spikes of the matrix with random signs.

    Args:
        spectrum: of the matrix; where it has no spike there is nothing to explain, and nothing is decomposed.
        options: its `level` and `seed`; nothing is computed without `null`.
        matrix: [k, N, M] the entries.

    Returns:
        The count; None where it was not asked for or the matrix has no spike.
    """
    spectrum.require_width()
    if not options.null or not spectrum.marchenko_pastur(options.level).spikes:
        return None
    return signed_null(matrix, options.seed, complete=False).spikes(options.level)
