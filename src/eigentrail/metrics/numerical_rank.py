"""Numerical rank."""

from __future__ import annotations

from eigentrail.metrics.framework.contract import metric
from eigentrail.spectra.spectrum import Spectrum


@metric(
    label="Numerical rank",
    meaning="Number of singular values above 0.001 of the Frobenius norm.",
    group="Ranks and norms",
    units="count, ε = 10⁻³",
    source="Galanti et al. 2023 (their public code)",
    chance="Noise: M, or all but the smallest few when q is near 1.",
    order=120,
    sort="count",
    over_time=True,
    of_update=True,
    shown=True,
)
def numerical_rank(spectrum: Spectrum) -> int:
    """Count the singular values above ε ‖W‖_F.

    Args:
        spectrum: of the matrix.

    Returns:
        0 to M.
    """
    return int(spectrum.ranks().numerical)
