"""All singular values of a matrix at many steps."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Shaped

from eigentrail.spectra.eigenvalues import decompose_checked

# Up to this order one batched call over all steps beats a call for each.
_BATCHED = 96
# Below this ratio of eigenvalues the Gram matrix has lost the small singular values (ratio 1e-7).
_GRAM_LIMIT = 1e-14


def singular_values(stack: Shaped[np.ndarray, "b k n m"]) -> Float64[np.ndarray, "b km"]:
    """Compute the singular values of the matrix of each step; those of a pool are put together.

    They are the roots of the eigenvalues of the Gram matrices in float64, or those of a float64 SVD where the
    smallest would be lost in rounding.

    Args:
        stack: [b, k, N, M], N >= M.

    Returns:
        [b, k M], largest first; NaN for a step whose matrices are not finite.
    """
    b, k, n, m = stack.shape
    out = np.full((b, k * m), np.nan)
    finite = np.isfinite(stack).all(axis=(1, 2, 3))
    good = np.flatnonzero(finite)
    if not len(good):
        return out
    if m <= _BATCHED:
        found = _batched(stack[good].reshape(-1, n, m))
        out[good] = -np.sort(-found.reshape(len(good), k * m), axis=1)
        return out
    for step in good:
        values = np.zeros((k, m))
        if stack[step].any():
            values = np.sqrt(np.maximum(decompose_checked(stack[step], leading=0).groups, 0.0) * n)
        out[step] = -np.sort(-values.ravel())
    return out


def _batched(a: Shaped[np.ndarray, "b n m"]) -> Float64[np.ndarray, "b m"]:
    top = np.abs(a).max(axis=(1, 2)).astype(np.float64)
    # Powers of two: squares cannot over- or underflow, and no digit is lost.
    scale = 2.0 ** np.frexp(top)[1]
    x = a.astype(np.float64) / scale[:, None, None]
    values = np.linalg.eigvalsh(x.swapaxes(1, 2) @ x)
    sigma = np.sqrt(np.maximum(values, 0.0))
    lost = np.flatnonzero(values[:, 0] < _GRAM_LIMIT * values[:, -1])
    if len(lost):
        sigma[lost] = np.linalg.svd(x[lost], compute_uv=False)[:, ::-1]
    return np.asarray(sigma * scale[:, None])
