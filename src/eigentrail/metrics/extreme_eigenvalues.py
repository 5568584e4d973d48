"""Both ends of the spectrum."""

from __future__ import annotations

import numpy as np

from eigentrail.metrics.framework.contract import Column, metric_group
from eigentrail.metrics.framework.phrases import LAMBDA
from eigentrail.spectra.spectrum import Spectrum

_MP = "Marchenko & Pastur 1967"


@metric_group(
    Column(
        "lambda_min",
        label="λ min",
        meaning="Smallest eigenvalue of WᵀW / N.",
        group="Bulk and spikes",
        units=LAMBDA,
        source=_MP,
        chance="Noise: close to the lower edge λ₋.",
        absent="a sketch (--fast) has not reached the lower end",
    ),
    Column(
        "lambda_max",
        label="λ max",
        meaning="Largest eigenvalue of WᵀW / N: the squared largest singular value over N.",
        group="Bulk and spikes",
        units=LAMBDA,
        source=_MP,
        chance="Noise: the upper edge λ₊ with Tracy-Widom fluctuations of order M^(−2/3).",
        of_update=True,
    ),
    order=20,
)
def extreme_eigenvalues(spectrum: Spectrum) -> dict[str, float | None]:
    """Read both ends of the spectrum.

    Args:
        spectrum: of the matrix.

    Returns:
        The smallest and the largest eigenvalue; no smallest where a sketch has not reached the lower end.
    """
    values = np.asarray(spectrum.eigenvalues)
    reached = spectrum.known_below is None or spectrum.known_below > 0.0
    return {"lambda_min": float(values[0]) if reached else None, "lambda_max": float(values[-1])}
