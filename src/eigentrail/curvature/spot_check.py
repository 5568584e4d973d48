"""A matrix checked against random products with the operator that it is meant to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from eigentrail.errors import CurvatureError

if TYPE_CHECKING:
    from eigentrail.curvature.operator import Curvature

# A product's relative rounding error is below this, also through deep networks.
_TOLERANCE = {torch.float64: 1e-8, torch.float32: 1e-3}


@dataclass(frozen=True)
class Check:
    """How well an exact matrix agrees with products.

    Attributes:
        error: the largest relative error of a product, ||M v - C v|| / ||C v|| over random Gaussian v; 0 without any.
        tolerance: what it may be.
        products: how many random products were compared.
        method: how the matrix was computed: "khatri-rao", "outputs", "positions" or "columns" (one layer, from what is
            behind it), or "products" (the operator applied to the identity).
        note: why the method is not one of a layer's; empty where it is.
    """

    error: float
    tolerance: float
    products: int
    method: str
    note: str = ""


def spot_check(
    curvature: Curvature, matrix: torch.Tensor, products: int, method: str, note: str = "", seed: int = 0
) -> Check:
    """Compare a matrix with the operator on random vectors.

    Args:
        curvature: the operator.
        matrix: [n, n], weight decay included as the operator includes it.
        products: how many random vectors; each costs one product.
        method: see `Check`.
        note: see `Check`.
        seed: which vectors are drawn.

    Returns:
        The comparison.

    Raises:
        CurvatureError: the two disagree.
    """
    tolerance = max(_TOLERANCE[matrix.dtype], _TOLERANCE[curvature.dtype])
    if products < 1:
        return Check(0.0, tolerance, 0, method, note)
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(products, curvature.n, generator=generator, dtype=torch.float64)
    expected = curvature.apply(vectors.to(curvature.device, curvature.dtype)).to(torch.float64)
    found = (vectors.to(matrix) @ matrix).to(torch.float64)
    sizes = expected.norm(dim=1).clamp_min(torch.finfo(torch.float32).tiny)
    error = float(((found - expected).norm(dim=1) / sizes).max())
    # Written so that NaN fails.
    if not error <= tolerance:
        raise CurvatureError(_complaint(error, tolerance, method))
    return Check(error, tolerance, products, method, note)


def _complaint(error: float, tolerance: float, method: str) -> str:
    """Say what a disagreement means."""
    if method == "products":
        reason = (
            "the operator's own products differ from call to call, or it is not symmetric: look for randomness in the"
            " model, the loss or the data"
        )
    elif method == "columns":
        reason = "the layer is used in a way that its calls do not show; get the matrix as products with the identity"
    else:
        reason = (
            "the loss mixes samples behind the layer (the terms between samples are missing), or the layer is used in"
            " a way that its calls do not show; get the matrix as products with the identity"
        )
    return (
        f"the exact matrix ({method}) differs from random products by {error:.1e}, more than {tolerance:.0e}:"
        f" {reason}."
    )
