"""The element-wise shuffle: what is left of a spectrum when only the values of the entries stay, not their places.

Correlations between entries make spikes that the shuffle destroys; a few huge entries make spikes that survive it
(WeightWatcher calls them correlation traps). The shuffled matrix is the null drawn beside each spectrum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
from jaxtyping import Float64, Shaped

from eigentrail.chance.entries import shuffled, signed
from eigentrail.linalg.gram import power_of_two_scale
from eigentrail.spectra.marchenko_pastur import MarchenkoPastur, fit_marchenko_pastur

# Scales outside of this and its inverse are taken away in the matrix's own precision.
_SMALLEST = 1e-30


@dataclass(frozen=True)
class ShuffleNull:
    """Spectrum of the same entries in random places.

    Attributes:
        eigenvalues: [k * M] eigenvalues of the shuffled matrices, ascending, in the units of the data's eigenvalues;
            float32 arithmetic, so values below 1e-6 of the largest are noise.
        rows: N of one matrix.
        cols: M of one matrix.
        matrices: k, how many are pooled.
        seed: the seed of the permutation.
    """

    eigenvalues: Float64[np.ndarray, " n"]
    rows: int
    cols: int
    matrices: int
    seed: int

    @property
    def lambda_max(self) -> float:
        """The largest eigenvalue of the shuffled matrix."""
        return float(self.eigenvalues[-1])

    def marchenko_pastur(self, level: float = 0.01) -> MarchenkoPastur:
        """Fit the shuffled matrix's own bulk: its spikes owe nothing to where the entries stand.

        The shuffle spreads the variance of the data's spikes over the bulk, so its edge is not the data's.

        Args:
            level: chance that a pure noise matrix shows a spike.

        Returns:
            The fit; its `spikes` are those that survive the shuffle.
        """
        return fit_marchenko_pastur(
            self.eigenvalues, self.rows, self.cols, matrices=self.matrices, level=level
        )


def shuffled_null(a: Shaped[np.ndarray, "k rows cols"], seed: int = 0) -> ShuffleNull:
    """Decompose a copy of the matrix whose entries have been shuffled over the whole pool.

    Args:
        a: [k, N, M] with N >= M, finite, as `eigenvalues.checked_stack` returns it.
        seed: the permutation depends on it and on the number of entries only.

    Returns:
        The spectrum of the shuffled matrix.
    """
    return _null(shuffled(a, seed), power_of_two_scale(a), seed)


def signed_null(a: Shaped[np.ndarray, "k rows cols"], seed: int = 0) -> ShuffleNull:
    """Decompose a copy of the matrix whose entries have random signs: each |entry| stays in its place.

    Unequal variances of rows and columns stay, correlations go.

    Args:
        a: [k, N, M] with N >= M, finite, as `eigenvalues.checked_stack` returns it.
        seed: of the signs.

    Returns:
        The spectrum of the matrix with random signs.
    """
    return _null(signed(a, seed), power_of_two_scale(a), seed)


def _null(mixed: Shaped[np.ndarray, "k rows cols"], scale: float, seed: int) -> ShuffleNull:
    count, n, m = mixed.shape
    if _SMALLEST < scale < 1 / _SMALLEST:
        mixed = mixed.astype(np.float32, copy=False)
        mixed /= np.float32(scale)
    else:  # beyond the range of float32
        mixed = (mixed / scale).astype(np.float32)
    if m <= 96:
        values = np.linalg.eigvalsh(mixed.swapaxes(1, 2) @ mixed)
    else:
        values = np.stack(
            [
                scipy.linalg.eigh(
                    np.asfortranarray(b.T @ b), eigvals_only=True, overwrite_a=True, check_finite=False
                )
                for b in mixed
            ]
        )
    values = np.sort(np.maximum(values.astype(np.float64), 0.0), axis=None) * (scale**2 / n)
    return ShuffleNull(values, n, m, count, seed)
