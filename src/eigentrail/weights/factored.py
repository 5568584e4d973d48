"""A low-rank matrix that is never multiplied out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eigentrail.errors import LayerError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class FactoredMatrix:
    """The matrix `scale * left @ right`, kept as its factors.

    With the QR factorisations left = Q_l R_l and right^T = Q_r R_r, the product is Q_l (R_l R_r^T) Q_r^T:
    the small core R_l R_r^T has exactly the product's non-zero singular values. The other min(n, m) - r are
    exact zeros.

    Attributes:
        left: [n, r], any floating precision.
        right: [r, m], or [k, r, m] for k products that share the left factor.
        scale: a number that multiplies the product.
    """

    left: Tensor
    right: Tensor
    scale: float = 1.0

    @property
    def shape(self) -> tuple[int, ...]:
        """The product's shape: (n, m), or (k, n, m)."""
        return (*self.right.shape[:-2], self.left.shape[0], self.right.shape[-1])

    @property
    def rank_bound(self) -> int:
        """The largest rank that the product can have."""
        return min(self.left.shape[1], *self.shape[-2:])

    def core(self) -> Tensor:
        """The small matrix with the product's singular values.

        Returns:
            [min(n, r), min(m, r)] in float64, or a stack [k, ...] of them.
        """
        import torch

        left = torch.linalg.qr(self.left.detach().double(), mode="r").R
        right = torch.linalg.qr(self.right.detach().double().transpose(-1, -2), mode="r").R
        return torch.mul(left @ right.transpose(-1, -2), self.scale)

    def singular_values(self) -> Tensor:
        """The product's singular values without the product.

        Returns:
            [min(n, m)] (or [k, min(n, m)]) float64, descending, the exact zeros included.
        """
        import torch

        values = torch.linalg.svdvals(self.core())
        missing = min(self.shape[-2:]) - values.shape[-1]
        return torch.nn.functional.pad(values, (0, missing))

    def dense(self, limit: int = 2**28) -> Tensor:
        """Multiply the product out, if it is small.

        Args:
            limit: the largest size of the result in bytes.

        Returns:
            The product in float64, of shape `shape`.

        Raises:
            LayerError: the product would be larger than `limit`.
        """
        size = 8 * math.prod(self.shape)
        if size > limit:
            raise LayerError(
                f"the product of the factors, {list(self.shape)}, would take {size} bytes and the limit is {limit}; "
                "work with `core()` or raise the limit."
            )
        return self.scale * (self.left.detach().double() @ self.right.detach().double())
