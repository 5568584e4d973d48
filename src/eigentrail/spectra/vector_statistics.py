"""What the leading singular vectors look like beside random ones, kept in place of the vectors themselves."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray

from eigentrail.spectra.eigenvalues import LeadingVectors
from eigentrail.spectra.vectors import participation, porter_thomas

_QUANTILES = 201


@dataclass(frozen=True)
class VectorStatistics:
    """Statistics of the j leading pairs of singular vectors, largest singular value first.

    A random unit vector of n entries has a uniform Porter-Thomas p-value and a participation ratio of about 1/3.

    Attributes:
        values: [j] eigenvalues of W^T W / N.
        long_p: [j] Porter-Thomas p-values on the long side (N entries).
        short_p: [j] the same on the short side (M entries).
        long_participation: [j] 1 / (N sum v^4): 1 for equal entries, about 1/3 for random ones, 1/N for a single entry.
        short_participation: [j] the same on the short side.
        long_quantiles: [201] quantiles of sqrt(N) v of the first vector, at (i + 1/2) / 201; standard normal if random.
        short_quantiles: [201] the same on the short side.
    """

    values: Float64[np.ndarray, " j"]
    long_p: Float64[np.ndarray, " j"]
    short_p: Float64[np.ndarray, " j"]
    long_participation: Float64[np.ndarray, " j"]
    short_participation: Float64[np.ndarray, " j"]
    long_quantiles: Float64[np.ndarray, " quantiles"]
    short_quantiles: Float64[np.ndarray, " quantiles"]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Give the fields by name, for a file.

        Returns:
            Every array of the statistics.
        """
        return {f.name: getattr(self, f.name) for f in fields(self)}


def vector_statistics(leading: LeadingVectors) -> VectorStatistics:
    """Summarise leading singular vectors.

    Args:
        leading: at least one pair.

    Returns:
        Their statistics.
    """
    levels = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    long, short = leading.long, leading.short
    return VectorStatistics(
        values=np.asarray(leading.values),
        long_p=np.asarray(porter_thomas(long)),
        short_p=np.asarray(porter_thomas(short)),
        long_participation=np.asarray(participation(long).share),
        short_participation=np.asarray(participation(short).share),
        long_quantiles=np.quantile(long[0] * np.sqrt(long.shape[1]), levels),
        short_quantiles=np.quantile(short[0] * np.sqrt(short.shape[1]), levels),
    )
