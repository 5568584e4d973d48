"""All eigenvalues of a symmetric matrix and a few leading vectors, at the price of the eigenvalues alone.

The vectors come from the tridiagonal form that the eigenvalues needed anyway, those of large matrices from block
Lanczos beside the eigenvalues.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg
import torch
from jaxtyping import Float64
from scipy.linalg import lapack

from eigentrail.errors import SpectrumError
from eigentrail.linalg.leading_of_known import leading_of_known
from eigentrail.linalg.tridiagonal import tridiagonal, tridiagonal_eigenvalues

#: Up to this order LAPACK's full eigh, also of many matrices at once, beats the separate steps.
SMALL = 96
#: From this order on, torch's eigenvalues by a reduction in two stages are faster than LAPACK's in one.
LARGE = 3072


def symmetric_eigen(
    g: Float64[np.ndarray, "m m"], k: int, *, single: bool = False
) -> tuple[Float64[np.ndarray, " m"], Float64[np.ndarray, "m k"]]:
    """All eigenvalues of a symmetric matrix and the vectors of its k largest.

    Args:
        g: [M, M]; only the lower triangle is read; the content is destroyed.
        k: how many leading eigenvectors, 0 <= k <= M.
        single: whether the eigenvalues of a large matrix may come from float32, in half of the time: their error is
            some 1e-6 of the largest. The content of such a matrix is kept.

    Returns:
        Eigenvalues [M], ascending, and eigenvectors [M, k], those of the largest eigenvalues first.

    Raises:
        SpectrumError: when LAPACK does not converge.
    """
    m = len(g)
    try:
        if m <= SMALL:
            values, vectors = np.linalg.eigh(g)
            return values, np.ascontiguousarray(vectors[:, ::-1][:, :k])
        g = np.asfortranarray(g)
        if m >= LARGE:
            return _in_two_stages(g, k, torch.float32 if single else torch.float64)
        c, d, e, tau, info = tridiagonal(g)
        values, failed = tridiagonal_eigenvalues(d, e)
        if info or failed:
            raise SpectrumError(_no_convergence(m))
        if k == 0:
            return values, np.empty((m, 0))
        small = _leading(d, e, k)
    except np.linalg.LinAlgError as error:
        raise SpectrumError(_no_convergence(m)) from error
    vectors = _apply_reflectors(c, tau, np.array(small[:, ::-1], order="F"))
    return values, vectors


def _leading(
    d: Float64[np.ndarray, " m"], e: Float64[np.ndarray, " m_1"], k: int
) -> Float64[np.ndarray, "m k"]:
    """Vectors of the k largest eigenvalues of a tridiagonal matrix, ascending."""
    chosen = {"select": "i", "select_range": (len(d) - k, len(d) - 1), "check_finite": False}
    try:
        return np.asarray(scipy.linalg.eigh_tridiagonal(d, e, **chosen)[1])
    except np.linalg.LinAlgError:
        # Bisection loses count where all eigenvalues are one, as an orthogonal matrix's.
        return np.asarray(scipy.linalg.eigh_tridiagonal(d, e, **chosen, lapack_driver="stemr")[1])


def _in_two_stages(
    g: Float64[np.ndarray, "m m"], k: int, dtype: torch.dtype
) -> tuple[Float64[np.ndarray, " m"], Float64[np.ndarray, "m k"]]:
    # The transpose of Fortran order is torch's order: what is below the diagonal there is above it here.
    try:
        values = torch.linalg.eigvalsh(torch.from_numpy(g.T).to(dtype), UPLO="U").double().numpy()
    except torch.linalg.LinAlgError as error:  # type: ignore[attr-defined]
        raise SpectrumError(_no_convergence(len(g))) from error
    if k == 0:
        return values, np.empty((len(g), 0))
    return values, leading_of_known(g, values, k)


def _no_convergence(m: int) -> str:
    return f"the eigenvalues of a {m} x {m} matrix did not converge; look for extreme entries in it"


def _apply_reflectors(
    panels: Float64[np.ndarray, "m m"], tau: Float64[np.ndarray, " r"], x: Float64[np.ndarray, "m j"]
) -> Float64[np.ndarray, "m j"]:
    """Multiply by the orthogonal factor of a tridiagonal reduction, a panel of columns at a time to save memory.

    Args:
        panels: what `sytrd(lower=1)` left below the first subdiagonal.
        tau: the reflectors' scalars.
        x: [m, j] vectors in the tridiagonal basis.

    Returns:
        [m, j] vectors in the original basis.

    Raises:
        SpectrumError: when LAPACK refuses an argument.
    """
    width = 64
    for start in reversed(range(0, len(tau), width)):
        stop = min(start + width, len(tau))
        panel = np.asfortranarray(panels[start + 1 :, start:stop])
        below = np.asfortranarray(x[start + 1 :])
        x[start + 1 :], _, info = lapack.dormqr(
            "L", "N", panel, tau[start:stop], below, 64 * x.shape[1] + 4096
        )
        if info:
            raise SpectrumError(f"LAPACK's dormqr refused argument {-info}")
    return x
