"""The size of a matrix."""

from __future__ import annotations

import math

import numpy as np

from eigentrail.metrics.framework.contract import Column, metric_group
from eigentrail.spectra.spectrum import Spectrum

_GROUP = "Ranks and norms"


@metric_group(
    Column(
        "frobenius_norm",
        label="‖W‖ Frobenius",
        meaning="Root of the sum of all squared entries.",
        group=_GROUP,
        units="units of the weights",
        averaged="log10",
    ),
    Column(
        "spectral_norm",
        label="‖W‖ spectral",
        meaning="Largest singular value.",
        group=_GROUP,
        units="units of the weights",
        chance="Noise: σ(√N + √M).",
        averaged="log10",
    ),
    order=80,
)
def norms(spectrum: Spectrum) -> dict[str, float]:
    """Compute both norms.

    Args:
        spectrum: of the matrix, or of a pool: then the root of the sum over its matrices, and the largest of all.

    Returns:
        Frobenius and spectral norm.
    """
    values, rows = np.asarray(spectrum.eigenvalues), spectrum.rows or 0
    return {
        "frobenius_norm": math.sqrt(float(values.sum()) * rows),
        "spectral_norm": math.sqrt(float(values[-1]) * rows),
    }
