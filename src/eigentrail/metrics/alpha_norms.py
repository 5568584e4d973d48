"""Norms that weigh the size of a matrix by its tail's exponent."""

from __future__ import annotations

import math

import numpy as np

from eigentrail.metrics.framework.contract import Column, DiagnosisOptions, metric_group
from eigentrail.spectra.spectrum import Spectrum

_UNITS = "log₁₀ of λ units; not scale-free"
_MM = "Martin & Mahoney 2021"


@metric_group(
    Column(
        "weighted_alpha",
        label="Weighted α",
        meaning="α times log₁₀ of the largest eigenvalue.",
        group="Tail",
        units=_UNITS,
        source=_MM,
        averaged="mean",
    ),
    Column(
        "log_alpha_norm",
        label="Log α-norm",
        meaning="log₁₀ of the sum of λ^α over all eigenvalues.",
        group="Tail",
        units=_UNITS,
        source=_MM,
        averaged="mean",
    ),
    order=70,
    version=3,
)
def alpha_norms(spectrum: Spectrum, options: DiagnosisOptions) -> dict[str, float]:
    """Compute both.

    Args:
        spectrum: of the matrix.
        options: those of the tail's fit.

    Returns:
        The weighted exponent and the logarithm of the norm.
    """
    alpha = float(spectrum.power_law(bootstrap=options.bootstrap, seed=options.seed).alpha)
    values = np.asarray(spectrum.eigenvalues)
    # By the logarithms: λ^α of a steep tail over- or underflows.
    logs = np.log(values[values > 0])
    largest = float(logs[-1])
    terms = float(np.exp(alpha * (logs - largest)).sum())
    return {
        "weighted_alpha": alpha * largest / math.log(10.0),
        "log_alpha_norm": (alpha * largest + math.log(terms)) / math.log(10.0),
    }
