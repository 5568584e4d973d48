"""Spikes: the eigenvalues that noise of the bulk's size does not reach."""

from __future__ import annotations

from eigentrail.metrics.framework.contract import Column, DiagnosisOptions, metric_group
from eigentrail.metrics.framework.phrases import LAMBDA
from eigentrail.spectra.spectrum import Spectrum

_GROUP = "Bulk and spikes"


@metric_group(
    Column(
        "spike_threshold",
        label="Threshold",
        meaning="Above this an eigenvalue counts as a spike: the 1% point of the largest eigenvalue of pure noise.",
        group=_GROUP,
        units=LAMBDA,
        source="Tracy & Widom 1996; Johnstone 2001",
        chance="Noise exceeds it in one matrix of a hundred.",
        over_time=True,
    ),
    Column(
        "spikes",
        label="Spikes",
        meaning="Number of eigenvalues above the threshold: directions that noise of this size does not explain.",
        group=_GROUP,
        units="count at level 1% per matrix",
        source="Baik, Ben Arous & Péché 2005; Johnstone 2001",
        chance="Noise: 0 in 99 of 100 matrices.",
        sort="count",
        over_time=True,
        in_compare=True,
        of_update=True,
        shown=True,
        averaged="mean",
    ),
    Column(
        "spike_strength",
        label="Strongest spike",
        meaning="Debiased strength of the largest spike: the planted singular value that would appear where it is "
        "seen.",
        group=_GROUP,
        units="in units of σ√N; visible only above q^(1/4)",
        source="Baik, Ben Arous & Péché 2005; Benaych-Georges & Nadakuditi 2012",
        chance="Noise: none.",
        absent="there is no spike",
        over_time=True,
        of_update=True,
    ),
    order=40,
    version=2,
    of_noise=True,
)
def spikes(spectrum: Spectrum, options: DiagnosisOptions) -> dict[str, float | int | None]:
    """Count the spikes.

    Args:
        spectrum: of the matrix.
        options: its `level` is the chance that noise shows one.

    Returns:
        Threshold, number, and strength of the largest.
    """
    spectrum.require_width()
    law = spectrum.marchenko_pastur(options.level)
    return {
        "spike_threshold": law.threshold,
        "spikes": law.spikes,
        "spike_strength": float(law.spike_strengths[0]) if law.spikes else None,
    }
