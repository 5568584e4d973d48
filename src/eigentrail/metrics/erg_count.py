"""The eigenvalues that multiply to a determinant of 1."""

from __future__ import annotations

import numpy as np

from eigentrail.metrics.framework.contract import metric
from eigentrail.spectra.determinant import erg_count as count
from eigentrail.spectra.spectrum import Spectrum


@metric(
    label="ERG count",
    meaning="How many of the largest eigenvalues, scaled to mean 1, multiply to a determinant of 1.",
    group="Ranks and norms",
    units="count; WeightWatcher's detX",
    source="WeightWatcher",
    order=140,
    sort="count",
)
def erg_count(spectrum: Spectrum) -> int:
    """Count them.

    Args:
        spectrum: of the matrix.

    Returns:
        0 to M.
    """
    return int(count(np.asarray(spectrum.eigenvalues)))
