"""The shape of the matrix: the longer side first."""

from __future__ import annotations

from eigentrail.metrics.framework.contract import Column, metric_group
from eigentrail.spectra.spectrum import Spectrum


@metric_group(
    Column(
        "rows",
        label="N",
        meaning="Longer side of the matrix, after transposing where needed.",
        group="Identity",
        units="N ≥ M",
        sort="count",
    ),
    Column(
        "cols",
        label="M",
        meaning="Shorter side of the matrix: the number of its singular values.",
        group="Identity",
        units="M ≤ N",
        sort="count",
    ),
    Column(
        "q",
        label="q",
        meaning="Aspect ratio M / N, the one parameter of the noise law besides σ.",
        group="Identity",
        units="0 < q ≤ 1",
        source="Marchenko & Pastur 1967",
    ),
    order=10,
)
def shape(spectrum: Spectrum) -> dict[str, float | int | None]:
    """Read the shape.

    Args:
        spectrum: of the matrix.

    Returns:
        Both sides and their ratio.
    """
    return {"rows": spectrum.rows, "cols": spectrum.cols, "q": spectrum.q}
