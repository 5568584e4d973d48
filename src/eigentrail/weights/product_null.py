"""What chance gives for a low-rank product: random factors of the same shapes and norms.

A product B A of rank r has no noise bulk; the laws for noise matrices say nothing about it. Its own null is a product
of Gaussian factors, scaled to the norms of B and A. Only r x r triangles are drawn: the triangle R of a Gaussian
[n, r] = Q R has independent entries, chi on the diagonal and normal above it (Bartlett 1933), whatever n.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from eigentrail.errors import LayerError
from eigentrail.weights.factored import FactoredMatrix


def random_products(matrix: FactoredMatrix, draws: int = 200, seed: int = 0) -> NDArray[np.float64]:
    """Draw the singular values of products of random factors.

    Args:
        matrix: the product whose shapes and norms are kept; one product, not a stack.
        draws: how many products.
        seed: of the draws.

    Returns:
        [draws, r'] singular values, descending, r' the largest rank that the product can have. The mean of their
        summed squares is |B|^2 |A|^2 scale^2 / r exactly.

    Raises:
        LayerError: it is a stack of products.
    """
    if matrix.right.ndim != 2:
        raise LayerError("a stack of products has no null of its own; take one product at a time.")
    generator = np.random.default_rng(seed)
    norms = [float(factor.detach().double().norm()) for factor in (matrix.left, matrix.right)]
    left, right = (
        _triangles(size, matrix.left.shape[1], norm, draws, generator)
        for size, norm in zip((matrix.left.shape[0], matrix.right.shape[1]), norms, strict=True)
    )
    values = np.linalg.svd(abs(matrix.scale) * (left @ right.swapaxes(1, 2)), compute_uv=False)
    return np.asarray(values[:, : matrix.rank_bound], dtype=np.float64)


def _triangles(size: int, rank: int, norm: float, draws: int, generator: Any) -> NDArray[np.float64]:
    """Triangles of Gaussian factors [size, rank] with the given Frobenius norm: [draws, min(size, rank), rank]."""
    rows = min(size, rank)
    found = np.triu(generator.standard_normal((draws, rows, rank)), 1)
    diagonal = np.arange(rows)
    found[:, diagonal, diagonal] = np.sqrt(generator.chisquare(size - diagonal, (draws, rows)))
    return np.asarray(found * (norm / np.linalg.norm(found, axis=(1, 2), keepdims=True)))
