"""The bulk: the Marchenko-Pastur law of noise, fitted without the spikes."""

from __future__ import annotations

from eigentrail.metrics.framework.contract import Column, DiagnosisOptions, metric_group
from eigentrail.metrics.framework.phrases import LAMBDA
from eigentrail.spectra.spectrum import Spectrum

_MP = "Marchenko & Pastur 1967"
_GROUP = "Bulk and spikes"


@metric_group(
    Column(
        "mp_sigma",
        label="σ",
        meaning="Standard deviation of the noise entries, fitted to the bulk alone so that spikes cannot inflate it.",
        group=_GROUP,
        units="in units of the weights",
        source=f"{_MP}; robust fit of quantiles",
        chance="Noise: the standard deviation of all entries.",
        over_time=True,
    ),
    Column(
        "mp_sigma_error",
        label="σ error",
        meaning="Standard error of σ.",
        group=_GROUP,
        units="in units of the weights",
    ),
    Column(
        "mp_edge_low",
        label="λ₋",
        meaning="Lower edge σ²(1 − √q)² of the noise law.",
        group=_GROUP,
        units=LAMBDA,
        source=_MP,
        over_time=True,
    ),
    Column(
        "mp_edge_high",
        label="λ₊",
        meaning="Upper edge σ²(1 + √q)² of the noise law.",
        group=_GROUP,
        units=LAMBDA,
        source=_MP,
        over_time=True,
        of_update=True,
    ),
    Column(
        "mp_ks_distance",
        label="Noise distance",
        meaning="Kolmogorov-Smirnov distance between the bulk and the fitted Marchenko-Pastur law.",
        group=_GROUP,
        units="0 (same) to 1",
        source=_MP,
        chance="Noise: a few times 1/M, much smaller than 1/√M because eigenvalues repel each other.",
        absent="a sketch (--fast) knows the bulk only as a density",
        over_time=True,
        shown=True,
    ),
    order=30,
    version=2,
    of_noise=True,
)
def marchenko_pastur(spectrum: Spectrum, options: DiagnosisOptions) -> dict[str, float | None]:
    """Fit the noise law to the bulk.

    Args:
        spectrum: of the matrix.
        options: its `level` sets which eigenvalues are no bulk.

    Returns:
        Standard deviation with its error, edges, and distance of the bulk.
    """
    spectrum.require_width()
    law = spectrum.marchenko_pastur(options.level)
    return {
        "mp_sigma": law.sigma,
        "mp_sigma_error": law.sigma_error,
        "mp_edge_low": law.edge_low,
        "mp_edge_high": law.edge_high,
        "mp_ks_distance": law.ks_distance if spectrum.known_below is None else None,
    }
