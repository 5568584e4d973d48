"""Participation rank."""

from __future__ import annotations

from eigentrail.metrics.framework.contract import metric
from eigentrail.spectra.spectrum import Spectrum


@metric(
    label="Participation rank",
    meaning="Squared sum of the eigenvalues over the sum of their squares.",
    group="Ranks and norms",
    units="1 to M",
    chance="Noise: M / (1 + q).",
    order=110,
)
def participation_rank(spectrum: Spectrum) -> float:
    """Compute (Σ λ)² / Σ λ².

    Args:
        spectrum: of the matrix.

    Returns:
        1 to M.
    """
    return float(spectrum.ranks().participation)
