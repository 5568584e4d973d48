"""All eigenvectors of a matrix as a basis."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg

from eigentrail._arrays import to_float64
from eigentrail.bases import Basis
from eigentrail.errors import CurvatureError
from eigentrail.linalg.threads import threads_for

_SYMMETRIC = 1e-5
_BLOCK = 2**22


def eigenbasis(matrix: Any) -> Basis:
    """Decompose a symmetric matrix such as an exact Hessian, in float64.

    Args:
        matrix: [n, n], symmetric to rounding; numpy or torch.

    Returns:
        All n eigenvectors, largest eigenvalue first; `.values` are the eigenvalues, negative ones last.

    Raises:
        CurvatureError: the matrix is not square, not symmetric or not finite.
    """
    h = to_float64(matrix)
    if h.ndim != 2 or h.shape[0] != h.shape[1] or not h.size:
        raise CurvatureError(f"a symmetric matrix [n, n] has an eigenbasis, not an array of shape {h.shape}.")
    if not np.isfinite(h.sum()):
        raise CurvatureError(
            "the matrix holds NaN or infinity and has no eigenvectors: look for a diverged layer."
        )
    gap = size = 0.0
    step = max(1, _BLOCK // len(h))
    for first in range(0, len(h), step):
        rows = h[first : first + step]
        size = max(size, float(np.abs(rows).max()))
        gap = max(gap, float(np.abs(rows - h[:, first : first + step].T).max()))
    if gap > _SYMMETRIC * size:
        raise CurvatureError(
            f"the matrix differs by {gap:.2g} from its transpose and has no orthogonal eigenvectors: give H itself."
        )
    # The lower triangle is what is read.
    with threads_for(len(h)):
        values, vectors = scipy.linalg.eigh(h, driver="evd", check_finite=False)
    return Basis(np.ascontiguousarray(vectors.T[::-1]), values[::-1].copy(), kind=matrix)
