"""How a squared norm is spread over singular directions, and how noise would spread it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64
from scipy.special import betaincinv

from eigentrail._arrays import to_float64
from eigentrail.spectra.marchenko_pastur_law import quantile


def energy_shares(eigenvalues: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    """Give the share of the squared norm that the leading directions hold.

    Args:
        eigenvalues: squared singular values in any scale and order, not all zero.

    Returns:
        For k = 1, ..., n the share of the k largest, from 0 to 1.
    """
    found = np.cumsum(np.sort(np.maximum(to_float64(eigenvalues), 0.0))[::-1])
    return np.asarray(np.minimum(found / found[-1], 1.0))


def noise_energy_shares(rows: int, cols: int) -> Float64[np.ndarray, " m"]:
    """Give the same for a matrix of independent entries, from the Marchenko-Pastur law.

    Args:
        rows: N, the longer side.
        cols: M, the shorter side.

    Returns:
        For k = 1, ..., M the share that the k largest of M quantiles hold.
    """
    return energy_shares(quantile((np.arange(cols) + 0.5) / cols, cols / rows))


def symmetric_noise_directions(n: int, share: float) -> int:
    """Count the eigenvectors that hold a share of the squared norm of a random symmetric matrix.

    Args:
        n: order of the matrix.
        share: of the sum of the squared eigenvalues, 0 to 1.

    Returns:
        The least number of eigenvalues, the largest magnitudes first, that reach the share, where the eigenvalues are
        the n quantiles of Wigner's semicircle.
    """
    # On [-1, 1] the semicircle is a beta law, shifted and stretched.
    levels = 2.0 * betaincinv(1.5, 1.5, (np.arange(n) + 0.5) / n) - 1.0
    return directions_for(energy_shares(np.sort(levels**2)), share)


def directions_for(shares: Float64[np.ndarray, " n"], share: float) -> int:
    """Count the leading directions that hold a share of the squared norm.

    Args:
        shares: as `energy_shares` gives them.
        share: from 0 to 1.

    Returns:
        The fewest directions that hold at least as much.
    """
    return int(np.searchsorted(shares, share - 1e-12)) + 1
