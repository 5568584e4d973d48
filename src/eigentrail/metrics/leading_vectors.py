"""The leading singular vectors: do their entries look like those of a random direction?"""

from __future__ import annotations

from eigentrail.errors import SpectrumError
from eigentrail.metrics.framework.contract import Column, metric_group
from eigentrail.metrics.framework.phrases import NO_VECTORS
from eigentrail.spectra.spectrum import Spectrum

_GROUP = "Levels and vectors"
_SHORTEST = 8


@metric_group(
    Column(
        "porter_thomas_p",
        label="p Porter-Thomas",
        meaning="p-value of the entries of the leading singular vectors against those of random directions (the "
        "smaller of both sides, corrected for that).",
        group=_GROUP,
        units="0 to 1",
        source="Porter & Thomas 1956; Kolmogorov-Smirnov",
        chance="Uniform for random vectors; small means a vector with structure.",
        absent=NO_VECTORS,
    ),
    Column(
        "vector_participation",
        label="Participation",
        meaning="1 / (n Σ v⁴) of the leading singular vectors, mean of both sides: the share of entries that carry "
        "the vector.",
        group=_GROUP,
        units="1/n (one entry) to 1 (even)",
        source="inverse participation ratio",
        chance="Random direction: 1/3.",
        absent=NO_VECTORS,
    ),
    order=160,
    of_noise=True,
)
def leading_vectors(spectrum: Spectrum) -> dict[str, float]:
    """Compare the leading pair of singular vectors with random directions.

    Args:
        spectrum: of the matrix; with its leading vectors.

    Returns:
        The p-value and the participation; nothing where the vectors are not known.

    Raises:
        SpectrumError: they are too short.
    """
    found = spectrum.vectors
    if found is None:
        if (spectrum.cols or 0) < _SHORTEST:
            raise SpectrumError(
                f"the shorter singular vectors have fewer than {_SHORTEST} entries: no statistics of vectors"
            )
        return {}
    # Sidak: the smaller of two independent uniform p-values, brought back to a uniform one.
    smaller = min(float(found.long_p[0]), float(found.short_p[0]))
    return {
        "porter_thomas_p": 1.0 - (1.0 - smaller) ** 2,
        "vector_participation": float(found.long_participation[0] + found.short_participation[0]) / 2,
    }
