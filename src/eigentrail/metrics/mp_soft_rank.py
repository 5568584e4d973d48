"""Marchenko-Pastur soft rank."""

from __future__ import annotations

from eigentrail.metrics.framework.contract import metric
from eigentrail.spectra.spectrum import Spectrum


@metric(
    label="Soft rank",
    meaning="Upper edge of the noise law over the largest eigenvalue.",
    group="Ranks and norms",
    units="0 to about 1",
    source="Martin & Mahoney 2021",
    chance="Noise: about 1; the smaller, the further the largest spike stands out.",
    order=130,
    version=2,
    of_noise=True,
    over_time=True,
    averaged="mean",
)
def mp_soft_rank(spectrum: Spectrum) -> float | None:
    """Compute λ₊ / λ_max.

    Args:
        spectrum: of the matrix.

    Returns:
        0 to about 1; None where no noise law can be fitted.
    """
    spectrum.require_width()
    return spectrum.ranks().mp_soft
