"""Stable rank."""

from __future__ import annotations

from eigentrail.metrics.framework.contract import metric
from eigentrail.spectra.spectrum import Spectrum


@metric(
    label="Stable rank",
    meaning="Squared Frobenius norm over squared spectral norm; for pooled matrices the sum over the largest.",
    group="Ranks and norms",
    units="1 to M",
    source="Rudelson & Vershynin 2007",
    chance="Noise: M / (1 + √q)².",
    order=90,
    over_time=True,
    in_compare=True,
    of_update=True,
    shown=True,
    averaged="mean",
)
def stable_rank(spectrum: Spectrum) -> float:
    """Compute ‖W‖_F² / ‖W‖₂².

    Args:
        spectrum: of the matrix.

    Returns:
        1 to M.
    """
    return float(spectrum.ranks().stable)
