"""The few largest eigenpairs of a symmetric matrix that is in memory."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64
from scipy.linalg.lapack import dsyevr
from scipy.sparse.linalg import ArpackError, eigsh

# Larger matrices are not decomposed whole for a few eigenpairs; residuals above the second number are not at rounding
# level. So many products find an eigenvalue that was missed, if there is one.
_DENSE, _ITERATED, _PASSES = 600, 1e-8, 12


def leading_eigenpairs(
    a: Float64[np.ndarray, "m m"], k: int
) -> tuple[Float64[np.ndarray, " k"], Float64[np.ndarray, "m k"]]:
    """Find the largest eigenvalues of a symmetric matrix.

    Args:
        a: [m, m].
        k: how many.

    Returns:
        [k] eigenvalues, largest first, and their vectors as columns [m, k].
    """
    m = len(a)
    if m > _DENSE and 10 * k <= m:
        found = _iterated(a, k)
        if found is not None:
            return found
    # LAPACK itself: nulls ask for the leading pairs of hundreds of small matrices, each of which takes a tenth of a
    # millisecond, and all eigenvectors three times as long.
    values, vectors, _, _, failed = dsyevr(a, range="I", il=m - k + 1, iu=m, lwork=40 * m, liwork=10 * m)
    if failed:
        values, vectors = (part[..., m - k :] for part in np.linalg.eigh(a))
    return values[:k][::-1].copy(), np.ascontiguousarray(vectors[:, ::-1])


def _iterated(
    a: Float64[np.ndarray, "m m"], k: int
) -> tuple[Float64[np.ndarray, " k"], Float64[np.ndarray, "m k"]] | None:
    """Find them to rounding by implicitly restarted Lanczos; None where that cannot be made sure of."""
    m = len(a)
    start = np.random.default_rng(m).standard_normal(m)
    try:
        values, vectors = eigsh(a, k, v0=start, which="LA", tol=0.0)
    except ArpackError:
        return None
    order = np.argsort(-values)
    values, vectors = values[order], np.ascontiguousarray(vectors[:, order])
    if not values[-1] > 0.0 or residuals(a, values, vectors).max() > _ITERATED:
        return None
    # One start vector may miss copies of an equal eigenvalue: nothing larger may be left beside what was found.
    rest = np.random.default_rng([m, 1]).standard_normal((m, 2))
    for _ in range(_PASSES):
        rest -= vectors @ (vectors.T @ rest)
        rest = a @ np.linalg.qr(rest)[0]
    rest -= vectors @ (vectors.T @ rest)
    left = float(np.linalg.norm(rest, axis=0).max())
    return (values, vectors) if left <= (1.0 + 1e-9) * values[-1] else None


def residuals(
    a: Float64[np.ndarray, "m m"], values: Float64[np.ndarray, " k"], vectors: Float64[np.ndarray, "m k"]
) -> Float64[np.ndarray, " k"]:
    """Measure how far eigenpairs are from being exact.

    Args:
        a: [m, m] symmetric.
        values: [k] eigenvalues.
        vectors: [m, k] their unit vectors.

    Returns:
        [k] ||a v - l v|| / l.
    """
    left = np.linalg.norm(a @ vectors - vectors * values, axis=0)
    return np.asarray(left / np.where(values > 0.0, values, 1.0))
