"""The singular matrices u_i v_i^T of a weight matrix as a basis."""

from __future__ import annotations

from typing import Any

import numpy as np

from eigentrail._arrays import to_float64
from eigentrail.bases.basis import check_count
from eigentrail.bases.factored import FactoredBasis
from eigentrail.errors import BasisError
from eigentrail.linalg.gram import power_of_two_scale
from eigentrail.linalg.leading_svd import leading_svd


def singular(W: Any, k: int | None = None) -> FactoredBasis:
    """Decompose a matrix, W = sum_i sigma_i u_i v_i^T, and give its singular matrices as directions.

    Args:
        W: [rows, cols], numpy or torch.
        k: how many, largest singular value first; None for all min(rows, cols).

    Returns:
        The factored basis with the singular values as its values. The largest entry of each v_i is positive.

    Raises:
        BasisError: `W` is not one finite matrix, or it is zero.
    """
    w = to_float64(W)
    if w.ndim != 2 or 0 in w.shape:
        raise BasisError(f"singular matrices are those of one matrix [rows, cols], not of shape {w.shape}.")
    if not np.isfinite(w).all():
        raise BasisError("the matrix holds NaN or infinity: leave that step or layer out.")
    largest = np.abs(w).max()
    if largest == 0.0:
        raise BasisError("the matrix is zero and has no singular directions.")
    count = min(w.shape) if k is None else check_count(k, min(w.shape))
    scale = power_of_two_scale(w)
    u, s, v = leading_svd(w / scale, count)
    sign = np.where(v[np.arange(count), np.abs(v).argmax(axis=1)] < 0.0, -1.0, 1.0)[:, None]
    return FactoredBasis(u * sign, v * sign, s * scale, kind=W)
