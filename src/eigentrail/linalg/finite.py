"""Whether a tensor is made of finite numbers."""

from __future__ import annotations

import math

import torch

from eigentrail.errors import CurvatureError


def all_finite(x: torch.Tensor) -> bool:
    """Tell whether a tensor holds neither NaN nor infinity.

    Args:
        x: of any shape.

    Returns:
        Whether all its entries are finite.
    """
    # One pass without a mask as large as the tensor; finite entries may still overflow their sum.
    return math.isfinite(float(x.sum())) or bool(torch.isfinite(x).all())


def finite_products(products: torch.Tensor) -> torch.Tensor:
    """Refuse products that are not finite.

    Args:
        products: any.

    Returns:
        The same.

    Raises:
        CurvatureError: one is not finite.
    """
    if not all_finite(products):
        raise CurvatureError(
            "a product with the curvature holds NaN or infinity: check the loss and the weights, or compute in float64."
        )
    return products
