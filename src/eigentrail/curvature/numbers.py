"""Whether a tensor is made of finite numbers."""

from __future__ import annotations

import math

import torch


def all_finite(x: torch.Tensor) -> bool:
    """Tell whether a tensor holds neither NaN nor infinity.

    Args:
        x: of any shape.

    Returns:
        Whether all its entries are finite.
    """
    # One pass without a mask as large as the tensor; finite entries may still overflow their sum.
    return math.isfinite(float(x.sum())) or bool(torch.isfinite(x).all())
