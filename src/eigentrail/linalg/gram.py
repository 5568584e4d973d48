"""Gram matrices A^T A in float64, without a float64 copy of A."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Float64, Shaped
from scipy.linalg import blas

# Rows converted to float64 at a time, so that a float32 matrix is never held twice.
_CHUNK = 512


def power_of_two_scale(a: Shaped[np.ndarray, "..."]) -> float:
    """Find the power of two that brings the largest entry to [1/2, 1), so that squares cannot over- or underflow.

    Args:
        a: finite entries, not all zero.

    Returns:
        The power of two at or above the largest magnitude; dividing by it loses no digit of normal numbers.
    """
    top = max(abs(float(a.min())), abs(float(a.max())))
    return float(2.0 ** np.frexp(top)[1])


def gram(a: Shaped[np.ndarray, "rows cols"], scale: float) -> Float64[np.ndarray, "cols cols"]:
    """Accumulate (A / scale)^T (A / scale) in float64, converting a few rows at a time.

    Args:
        a: [N, M], float32 or float64.
        scale: divisor of the entries.

    Returns:
        [M, M] in Fortran order; only the lower triangle is filled.
    """
    n, m = a.shape
    if n <= 2 * _CHUNK:
        b = np.asarray(a, dtype=np.float64) / scale
        return np.asfortranarray(b.T @ b)
    g = np.zeros((m, m), order="F")
    for start in range(0, n, _CHUNK):
        block = np.multiply(a[start : start + _CHUNK], 1.0 / scale, dtype=np.float64)  # exact: a power of two
        # A C-ordered block read as its Fortran-ordered transpose: no copy is made on the way into BLAS.
        g = blas.dsyrk(1.0, np.asfortranarray(block.T), beta=1.0, c=g, lower=1, overwrite_c=1)
    return g


def half_precision(a: Shaped[np.ndarray, "rows cols"]) -> bool:
    """Say whether all entries of a float32 matrix came from bfloat16 or float16: their products are exact in float32.

    Args:
        a: [N, M].

    Returns:
        Whether no entry has more than 11 significant bits.
    """
    if a.dtype != np.float32:
        return False
    for start in range(0, len(a), _CHUNK):
        if (np.ascontiguousarray(a[start : start + _CHUNK]).view(np.uint32) & 0x1FFF).any():
            return False
    return True


def gram_of_halves(a: Float32[np.ndarray, "rows cols"], scale: float) -> Float64[np.ndarray, "cols cols"]:
    """Accumulate (A / scale)^T (A / scale) from sums over blocks of rows in float32: twice as fast, 1e-7 exact.

    Args:
        a: [N, M] with entries of half precision (`half_precision`).
        scale: divisor of the entries, a power of two.

    Returns:
        [M, M] in Fortran order; only the lower triangle is filled. Eigenvalues below some 1e-6 of the largest are lost.
    """
    m = a.shape[1]
    g = np.zeros((m, m), order="F")
    for start in range(0, len(a), 2 * _CHUNK):
        block = a[start : start + 2 * _CHUNK] / np.float32(scale)
        g += blas.ssyrk(1.0, np.asfortranarray(block.T), lower=1)
    return g
