"""A curvature as scipy's linear operator, for scipy's own solvers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator

if TYPE_CHECKING:
    from eigentrail.curvature.operator import Curvature


def scipy_operator(curvature: Curvature) -> LinearOperator:
    """Give a curvature as a `scipy.sparse.linalg.LinearOperator`.

    Args:
        curvature: the operator; its products count these too.

    Returns:
        [n, n], symmetric, of the curvature's precision; vectors are numpy's.
    """
    dtype = np.float64 if curvature.dtype == torch.float64 else np.float32

    def multiplied(columns: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        found: np.ndarray[Any, Any] = curvature @ np.asarray(columns)
        return found

    def vector(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        # scipy gives [n] or [n, 1].
        return multiplied(np.reshape(x, -1))

    return LinearOperator(
        (curvature.n, curvature.n),
        matvec=vector,
        rmatvec=vector,
        matmat=multiplied,
        rmatmat=multiplied,
        dtype=np.dtype(dtype),
    )
