"""Singular values from Gram matrices in float64, or from an SVD where the smallest would be lost in rounding.

The Gram matrix with a symmetric eigensolver is about 2.5 times faster than singular values, and in float64 more exact
than float32 singular values. It squares the condition number, so matrices whose smallest singular value drowns in that
square are done again by a float64 SVD.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg
from jaxtyping import Float64, Shaped

from eigentrail.errors import SpectrumError
from eigentrail.linalg.gram import gram, gram_of_halves, half_precision, power_of_two_scale
from eigentrail.linalg.leading_of_known import leading_of_known
from eigentrail.linalg.smallest_eigenvalues import smallest_eigenvalues
from eigentrail.linalg.symmetric import LARGE, SMALL, symmetric_eigen

#: Below this lambda_min / lambda_max a Gram matrix has lost the small singular values (ratio 1e-7).
GRAM_LIMIT = 1e-14
# The same for sums in float32, and the order from which on they are worth it.
_HALVES_LIMIT, _HALVES = 1e-4, 1024
# The same for eigenvalues in float32, of sums in float32: their error is some 1e-6 of the largest.
_SINGLE_LIMIT = 1e-3
# The same of sums in float64: what is small is exact to 1e-7 of the largest, a hundredth of its neighbours' distance
# at this limit, and rounding to half precision has moved it further.
_LOW_LIMIT = 3e-5
# One in so many eigenvalues may be below that limit: inverse iteration for more takes longer than all in float64.
_FEW = 12


def squared_singular_values(
    a: Shaped[np.ndarray, "rows cols"], scale: float, k: int = 0
) -> tuple[Float64[np.ndarray, " cols"], Float64[np.ndarray, "cols k"]]:
    """Compute the eigenvalues of (A / scale)^T (A / scale), and the leading right singular vectors.

    Args:
        a: [N, M] with N >= M, finite.
        scale: divisor of the entries, a power of two near the largest.
        k: how many vectors.

    Returns:
        Squared singular values [M], ascending, and vectors [M, k], those of the largest first.

    Raises:
        SpectrumError: LAPACK does not converge.
    """
    n, m = a.shape
    halves = m >= _HALVES and half_precision(a)
    if halves and 2 * n >= 3 * m:
        g = gram_of_halves(a, scale)
        if m >= LARGE:
            # Rounding to half precision has moved each eigenvalue further than float32 does.
            values, vectors = symmetric_eigen(g, k, single=True)
            if values[0] > _SINGLE_LIMIT * values[-1]:
                return values, vectors
        values, vectors = symmetric_eigen(g, k)
        if values[0] > _HALVES_LIMIT * values[-1]:
            return values, vectors
        del g
    g = gram(a, scale)
    if halves and m >= LARGE and (single := _low_end_apart(g)) is not None:
        return single, leading_of_known(g, single, k)
    values, vectors = symmetric_eigen(g, k)
    if values[0] < GRAM_LIMIT * values[-1]:
        values = _by_svd(a, scale)
    return values, vectors


def _low_end_apart(g: Float64[np.ndarray, "m m"]) -> Float64[np.ndarray, " m"] | None:
    """Compute eigenvalues in float32, and those that would drown in its rounding by inverse iteration in float64.

    Args:
        g: [M, M] a Gram matrix; only the lower triangle is read; the content is kept.

    Returns:
        [M] ascending; None where there are too many of those, or one of them is zero to rounding.
    """
    values = symmetric_eigen(g, 0, single=True)[0]
    low = int((values < _LOW_LIMIT * values[-1]).sum())
    if low > len(g) // _FEW:
        return None
    exact = smallest_eigenvalues(g, low)
    if exact is None or (low and exact[0] < GRAM_LIMIT * values[-1]):
        return None
    values[:low] = exact
    return np.sort(values)


def squared_of_pool(
    a: Shaped[np.ndarray, "k rows cols"], scale: float
) -> tuple[Float64[np.ndarray, "k cols"], Float64[np.ndarray, "k cols cols"]]:
    """Do the same for many small matrices in one batched call.

    Args:
        a: [k, N, M] pool, N >= M.
        scale: divisor of the entries.

    Returns:
        Squared singular values [k, M], ascending, and all right singular vectors [k, M, M] as columns in that order.
    """
    b = np.asarray(a, dtype=np.float64) / scale
    values, vectors = np.linalg.eigh(b.swapaxes(1, 2) @ b)
    return _mended(values, b), vectors


def singular_values(stack: Shaped[np.ndarray, "b k n m"]) -> Float64[np.ndarray, "b km"]:
    """Compute the singular values of the matrix of each step; those of a pool are put together.

    Args:
        stack: [b, k, N, M], N >= M.

    Returns:
        [b, k M], largest first; NaN for a step whose matrices are not finite.
    """
    b, k, n, m = stack.shape
    out = np.full((b, k * m), np.nan)
    good = np.flatnonzero(np.isfinite(stack).all(axis=(1, 2, 3)))
    if not len(good):
        return out
    if m <= SMALL:
        found = _batched(stack[good].reshape(-1, n, m)).reshape(len(good), k * m)
    else:
        found = np.stack([_pool(stack[step]) for step in good])
    out[good] = -np.sort(-found, axis=1)
    return out


def _pool(a: Shaped[np.ndarray, "k n m"]) -> Float64[np.ndarray, " km"]:
    if not a.any():
        return np.zeros(a.shape[0] * a.shape[2])
    scale = power_of_two_scale(a)
    values = np.concatenate([squared_singular_values(one, scale)[0] for one in a])
    return np.asarray(np.sqrt(np.maximum(values, 0.0)) * scale)


def _batched(a: Shaped[np.ndarray, "b n m"]) -> Float64[np.ndarray, "b m"]:
    top = np.abs(a).max(axis=(1, 2)).astype(np.float64)
    # Powers of two: squares cannot over- or underflow, and no digit is lost.
    scale = 2.0 ** np.frexp(top)[1]
    x = a.astype(np.float64) / scale[:, None, None]
    values = _mended(np.linalg.eigvalsh(x.swapaxes(1, 2) @ x), x)
    return np.asarray(np.sqrt(np.maximum(values, 0.0)) * scale[:, None])


def _mended(
    values: Float64[np.ndarray, "k m"], b: Float64[np.ndarray, "k n m"]
) -> Float64[np.ndarray, "k m"]:
    lost = np.flatnonzero(values[:, 0] < GRAM_LIMIT * values[:, -1])
    if len(lost):
        values[lost] = np.linalg.svd(b[lost], compute_uv=False)[:, ::-1] ** 2
    return values


def _by_svd(a: Shaped[np.ndarray, "rows cols"], scale: float) -> Float64[np.ndarray, " cols"]:
    try:
        sigma = scipy.linalg.svdvals(
            np.asarray(a, dtype=np.float64) / scale, overwrite_a=True, check_finite=False
        )
    except np.linalg.LinAlgError as error:
        msg = f"the singular values of a {a.shape} matrix did not converge; look for extreme entries in it"
        raise SpectrumError(msg) from error
    return np.asarray(sigma[::-1] ** 2)
