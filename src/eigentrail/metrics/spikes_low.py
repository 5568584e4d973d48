"""Spikes below the bulk: eigenvalues too small for noise of the bulk's size."""

from __future__ import annotations

import numpy as np

from eigentrail.errors import SpectrumError
from eigentrail.metrics.framework.contract import DiagnosisOptions, metric
from eigentrail.spectra.lower_edge import lower_threshold
from eigentrail.spectra.spectrum import Spectrum


@metric(
    label="Spikes below",
    meaning="Number of eigenvalues below the lower edge of the noise law, further than noise goes: directions that "
    "training has emptied. Exact zeros are not counted.",
    group="Bulk and spikes",
    units="count at level 1% per matrix",
    source="Ma 2012 (soft edge); Edelman 1988 (q = 1); arXiv 2410.17770",
    chance="Noise: 0 in 99 of 100 matrices.",
    order=41,
    of_noise=True,
    sort="count",
)
def spikes_low(spectrum: Spectrum, options: DiagnosisOptions) -> int:
    """Count what lies below the bulk.

    Args:
        spectrum: of the matrix.
        options: its `level` is the chance that noise shows one.

    Returns:
        The count.

    Raises:
        SpectrumError: most eigenvalues are nearly equal, or a sketch knows too little of the lower end.
    """
    spectrum.require_width()
    law = spectrum.marchenko_pastur(options.level)
    values = np.asarray(spectrum.eigenvalues)[law.zeros :]
    # The spikes above take their dimensions from the noise on either side.
    live, each = len(values) / law.matrices, law.spikes / law.matrices
    rows, cols = round(law.rows - each), max(round(live - each), 1)
    share = (law.rows - each) / law.rows
    threshold = lower_threshold(rows, cols, law.sigma, options.level, law.matrices) * share
    if spectrum.known_below is not None and spectrum.known_below < threshold:
        raise SpectrumError(
            "spikes_low: the sketch has not reached the lower end; leave --fast out to count there"
        )
    return int(np.searchsorted(values, threshold, side="left"))
