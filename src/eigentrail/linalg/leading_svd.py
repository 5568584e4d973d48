"""The leading singular values and vectors of one matrix, to rounding."""

from __future__ import annotations

import numpy as np
import scipy.linalg
from jaxtyping import Float64

from eigentrail.linalg.threads import threads_for

# The Gram matrix loses the vectors of singular values below this share of the largest one.
_GRAM_LIMIT = 1e-5


def leading_svd(
    w: Float64[np.ndarray, "rows cols"], k: int
) -> tuple[Float64[np.ndarray, "k rows"], Float64[np.ndarray, " k"], Float64[np.ndarray, "k cols"]]:
    """Decompose a matrix, w = sum_i s_i u_i v_i^T, and keep the k largest.

    A few of many come from the Gram matrix of the short side; where that would lose some, and where many are asked for,
    the whole matrix is decomposed.

    Args:
        w: [rows, cols], finite, with entries whose squares neither over- nor underflow.
        k: how many, at most min(rows, cols).

    Returns:
        Left vectors [k, rows], singular values [k], largest first, right vectors [k, cols].
    """
    with threads_for(min(w.shape)):
        return _decomposed(w, k)


def _decomposed(
    w: Float64[np.ndarray, "rows cols"], k: int
) -> tuple[Float64[np.ndarray, "k rows"], Float64[np.ndarray, " k"], Float64[np.ndarray, "k cols"]]:
    rows, cols = w.shape
    m = min(rows, cols)
    if 8 * k <= m:
        gram = w.T @ w if rows >= cols else w @ w.T
        values, vectors = scipy.linalg.eigh(
            gram, subset_by_index=[m - k, m - 1], overwrite_a=True, check_finite=False
        )
        if values[0] > 0 and values[0] > _GRAM_LIMIT**2 * values[-1]:
            short = np.ascontiguousarray(vectors.T[::-1])
            long = short @ (w.T if rows >= cols else w)
            # Orthonormal again, and the singular values from the matrix itself rather than from their squares.
            turn, s, core = np.linalg.svd(long, full_matrices=False)
            short = turn.T @ short
            return (core, s, short) if rows >= cols else (short, s, core)
    u, s, vt = scipy.linalg.svd(w, full_matrices=False, check_finite=False)
    return np.ascontiguousarray(u.T[:k]), s[:k], vt[:k]
