"""The phase of self-regularisation."""

from __future__ import annotations

from typing import Any

from eigentrail.errors import SpectrumError
from eigentrail.metrics.framework.contract import Column, metric_group
from eigentrail.metrics.spread import narrower_than_noise
from eigentrail.spectra.fewest import too_few
from eigentrail.spectra.spectrum import Spectrum


@metric_group(
    Column(
        "phase",
        label="Phase",
        meaning="Which of six phases of self-regularisation the spectrum is in: random-like, bleeding-out, "
        "bulk+spikes, bulk-decay, heavy-tailed, rank-collapse. Rules calibrated on random matrices with known truth.",
        group="Phase",
        units="label",
        source="Martin & Mahoney 2021",
        chance="Noise: random-like.",
        sort="text",
        over_time=True,
        in_compare=True,
        shown=True,
    ),
    Column(
        "phase_confidence",
        label="Confidence",
        meaning="How clearly the evidence lies on this side of the rules' borders.",
        group="Phase",
        units="0 to 1",
        source="calibration on ensembles",
        over_time=True,
    ),
    order=200,
    version=4,
    of_noise=True,
)
def phase(spectrum: Spectrum) -> dict[str, Any]:
    """Tell the phase.

    Args:
        spectrum: of the matrix.

    Returns:
        The label, and how sure it is.

    Raises:
        SpectrumError: it cannot be told, or the spectrum is narrower than noise, which no phase is.
    """
    spectrum.require_width()
    if narrower_than_noise(spectrum):
        raise SpectrumError(
            "no phase: all singular values are nearly equal, the spectrum is narrower than noise"
        )
    if (few := too_few(len(spectrum))) is not None:
        raise few
    try:
        found = spectrum.phase()
    except SpectrumError as error:
        raise SpectrumError(f"no phase: {error}") from error
    return {"phase": found.label, "phase_confidence": found.confidence}
