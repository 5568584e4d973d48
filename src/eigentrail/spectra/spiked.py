"""What a planted direction does to the spectrum of noise, and back again (the BBP transition).

The model is W = s X + s sqrt(N) sum_j theta_j u_j v_j^T, W [N, M], N >= M, q = M / N, X with independent
entries of unit variance, u_j [N] and v_j [M] orthonormal. A strength theta is therefore the planted singular
value of W in units of s sqrt(N); a planted entry-wise signal of strength theta has theta^2 times the noise's
variance per column. Eigenvalues are those of W^T W / N. Limits for N, M large: Baik, Ben Arous & Peche 2005;
Benaych-Georges & Nadakuditi 2012.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from eigentrail.errors import OptionError


def bbp_threshold(q: float) -> float:
    """Give the smallest strength that separates from the bulk.

    Args:
        q: cols / rows, 0 < q <= 1.

    Returns:
        q^(1/4), in units of s sqrt(N).

    Raises:
        OptionError: q is outside (0, 1].
    """
    if not 0.0 < q <= 1.0:
        raise OptionError(f"The BBP transition needs 0 < q <= 1, not {q}: let rows be the larger dimension.")
    return float(q**0.25)


def observed(
    strength: Float64[np.ndarray, "..."], q: float, sigma: float = 1.0
) -> Float64[np.ndarray, "..."]:
    """Give the eigenvalue at which a planted direction shows.

    Args:
        strength: theta, any shape, in units of s sqrt(N).
        q: cols / rows, 0 < q <= 1.
        sigma: standard deviation s of the noise.

    Returns:
        s^2 (1 + theta^2)(q + theta^2) / theta^2 above the BBP threshold; the upper edge at or below it.
    """
    t2 = np.maximum(np.asarray(strength, dtype=np.float64), bbp_threshold(q)) ** 2
    return np.asarray(sigma**2 * (1.0 + t2) * (q + t2) / t2)


def strength(
    eigenvalue: Float64[np.ndarray, "..."], q: float, sigma: float = 1.0
) -> Float64[np.ndarray, "..."]:
    """Debias an outlying eigenvalue: the planted strength that shows there (the inverse of `observed`).

    Args:
        eigenvalue: any shape.
        q: cols / rows, 0 < q <= 1.
        sigma: standard deviation s of the noise.

    Returns:
        theta, in units of s sqrt(N); the BBP threshold itself for eigenvalues at or below the upper edge, of
        which the spectrum only tells that they are not stronger.
    """
    floor = bbp_threshold(q)
    excess = np.maximum(np.asarray(eigenvalue, dtype=np.float64) / sigma**2 - 1.0 - q, 2.0 * np.sqrt(q))
    root = np.sqrt(np.maximum((excess - 2.0 * np.sqrt(q)) * (excess + 2.0 * np.sqrt(q)), 0.0))
    return np.asarray(np.maximum(np.sqrt((excess + root) / 2.0), floor))


def overlap(
    strength: Float64[np.ndarray, "..."], q: float
) -> tuple[Float64[np.ndarray, "..."], Float64[np.ndarray, "..."]]:
    """Give how well the singular vectors found point along the planted ones.

    Args:
        strength: theta, any shape, in units of s sqrt(N).
        q: cols / rows, 0 < q <= 1.

    Returns:
        (left, right): |<u, u_found>| in the long dimension N and |<v, v_found>| in the short one M; both are
        zero at or below the BBP threshold.
    """
    t2 = np.maximum(np.asarray(strength, dtype=np.float64), bbp_threshold(q)) ** 2
    left = 1.0 - (q + t2) / (t2 * (1.0 + t2))
    right = 1.0 - q * (1.0 + t2) / (t2 * (q + t2))
    return np.asarray(np.sqrt(np.maximum(left, 0.0))), np.asarray(np.sqrt(np.maximum(right, 0.0)))


def strength_of_overlap(right: Float64[np.ndarray, "..."], q: float) -> Float64[np.ndarray, "..."]:
    """Give the strength whose right vectors are found with a wanted overlap (the inverse of `overlap`).

    Args:
        right: |<v, v_found>| in [0, 1), any shape, of the vectors in the short dimension.
        q: cols / rows, 0 < q <= 1.

    Returns:
        theta, in units of s sqrt(N).

    Raises:
        OptionError: an overlap is outside [0, 1).
    """
    floor = bbp_threshold(q)
    c2 = np.asarray(right, dtype=np.float64) ** 2
    if not np.all((c2 >= 0.0) & (c2 < 1.0)):
        raise OptionError("An overlap of found with planted vectors lies in [0, 1).")
    # t^4 (1 - c^2) - q c^2 t^2 - q = 0 in t^2
    t2 = (q * c2 + np.sqrt((q * c2) ** 2 + 4.0 * q * (1.0 - c2))) / (2.0 * (1.0 - c2))
    return np.asarray(np.maximum(np.sqrt(t2), floor))
