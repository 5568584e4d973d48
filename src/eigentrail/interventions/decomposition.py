"""The singular values and vectors that every edit starts from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from eigentrail._arrays import is_tensor, to_float64
from eigentrail.errors import LayerError
from eigentrail.weights import FactoredMatrix

MatrixLike: TypeAlias = Any


@dataclass(frozen=True)
class Decomposition:
    """W = U diag(s) V^T of one matrix, in float64.

    Attributes:
        left: [n, r] orthonormal columns u_i.
        values: [r] singular values, descending; for a product of thin factors the exact zeros are left out.
        right: [r, m] orthonormal rows v_i^T.
    """

    left: Tensor
    values: Tensor
    right: Tensor

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of W."""
        return self.left.shape[0], self.right.shape[1]

    @property
    def rank(self) -> int:
        """The number of singular values that differ from zero by more than rounding."""
        if not len(self.values) or self.values[0] <= 0:
            return 0
        return int((self.values > self.values[0] * max(self.shape) * torch.finfo(torch.float64).eps).sum())

    @property
    def energy(self) -> float:
        """The squared Frobenius norm."""
        return float(self.values.square().sum())


def decompose(w: MatrixLike) -> list[Decomposition]:
    """Decompose a matrix, or each matrix of a pool.

    Args:
        w: [n, m] or [k, n, m], numpy or torch; or a `FactoredMatrix`, whose product is never made; or what this
            function gave for one matrix, so that many edits of it share one decomposition.

    Returns:
        One decomposition for each matrix.

    Raises:
        LayerError: it is no matrix, has no entries, is not finite or vanishes.
    """
    if isinstance(w, Decomposition):
        return [w]
    if isinstance(w, FactoredMatrix):
        if w.right.ndim != 2:
            raise LayerError("a pool of products of factors is not edited; take conv='flatten'.")
        left, right = torch.linalg.qr(w.left.detach().double()), torch.linalg.qr(w.right.detach().double().T)
        u, s, vt = torch.linalg.svd(left.R @ right.R.T * w.scale, full_matrices=False)
        made = Decomposition(left.Q @ u, s, vt @ right.Q.T)
        _check(bool(torch.isfinite(s).all()), float(s.sum()), w.shape)
        return [made]
    a = w.detach().cpu().double() if is_tensor(w) else torch.from_numpy(to_float64(w))
    if a.ndim not in {2, 3} or 0 in a.shape:
        raise LayerError(
            f"a matrix [n, m] or a pool [k, n, m] is edited, not an array of shape {list(a.shape)}."
        )
    _check(bool(torch.isfinite(a).all()), float(a.abs().sum()), tuple(a.shape))
    return [
        Decomposition(*torch.linalg.svd(matrix, full_matrices=False))
        for matrix in a.reshape(-1, *a.shape[-2:])
    ]


def _check(finite: bool, size: float, shape: tuple[int, ...]) -> None:
    if not finite:
        raise LayerError(f"the matrix {list(shape)} holds NaN or infinity; mend it before it is edited.")
    if size == 0.0:
        raise LayerError(f"the matrix {list(shape)} is all zero: there is nothing to edit.")
