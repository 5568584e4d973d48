"""Effective rank."""

from __future__ import annotations

from eigentrail.metrics.framework.contract import metric
from eigentrail.spectra.spectrum import Spectrum


@metric(
    label="Effective rank",
    meaning="Exponential of the entropy of the normalised squared singular values.",
    group="Ranks and norms",
    units="1 to M",
    source="Roy & Vetterli 2007",
    chance="Noise: M exp(−q/2) (Page 1993).",
    order=100,
    over_time=True,
    in_compare=True,
    of_update=True,
    shown=True,
    averaged="mean",
)
def effective_rank(spectrum: Spectrum) -> float:
    """Compute exp(−Σ p log p), p = λ / Σ λ.

    Args:
        spectrum: of the matrix.

    Returns:
        1 to M.
    """
    return float(spectrum.ranks().effective)
