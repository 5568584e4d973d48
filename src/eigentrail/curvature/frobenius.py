"""The Frobenius norm of a symmetric operator from products with random vectors, with its error."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from eigentrail._numbers import seed_of, whole
from eigentrail.curvature.probes import draw
from eigentrail.linalg.finite import finite_products
from eigentrail.linalg.krylov_space import Apply

_TOGETHER = 16  # vectors multiplied at once


@dataclass(frozen=True)
class FrobeniusNorm:
    """A Frobenius norm with its error.

    Attributes:
        value: ||H||, the square root of the sum of squared eigenvalues.
        error: its standard error, from the spread over the probes; 0 where it is exact.
        products: applications of the operator.
        method: "estimated", or "exact" where there is a product for each dimension.
    """

    value: float
    error: float
    products: int
    method: str

    def __float__(self) -> float:
        return self.value


def frobenius_norm(
    apply: Apply,
    n: int,
    products: int = 60,
    seed: int = 0,
    *,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
) -> FrobeniusNorm:
    """Estimate ||H||^2 = tr H^2 as the mean of ||H z||^2 over vectors z of random signs.

    Args:
        apply: the operator, [j, n] -> [j, n], symmetric.
        n: its dimension.
        products: how many products may be taken, at least 2; with n or more the norm is exact.
        seed: of the probes.
        dtype: of the vectors.
        device: where they live.

    Returns:
        The norm with its error.
    """
    products = whole("products", products, 2)
    exact = n <= products
    generator = torch.Generator().manual_seed(seed_of(seed))
    squares: list[float] = []
    for low in range(0, n if exact else products, _TOGETHER):
        count = min(_TOGETHER, (n if exact else products) - low)
        if exact:
            rows = torch.zeros(count, n, dtype=dtype, device=device)
            rows[torch.arange(count), torch.arange(low, low + count)] = 1
        else:
            rows = draw(count, n, "rademacher", generator, dtype, device)
        squares += finite_products(apply(rows)).double().square().sum(dim=1).tolist()
    if exact:
        return FrobeniusNorm(math.sqrt(math.fsum(squares)), 0.0, n, "exact")
    mean = math.fsum(squares) / products
    variance = math.fsum((one - mean) ** 2 for one in squares) / (products - 1)
    value = math.sqrt(mean)
    # The norm is the root of the mean: an error of x of it is one of x / (2 root).
    error = math.sqrt(variance / products) / (2 * value) if value else 0.0
    return FrobeniusNorm(value, error, products, "estimated")
