"""The null of a low-rank product: the moments of random factors, and the same law as drawing them whole."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from planning import noise

from eigentrail.errors import LayerError
from eigentrail.weights import FactoredMatrix
from eigentrail.weights.product_null import random_products


def test_the_mean_square_is_exact():
    matrix = FactoredMatrix(noise(40, 4), 3 * noise(4, 30, seed=1), 0.5)
    squares = (random_products(matrix, 4000) ** 2).sum(1)
    expected = float(matrix.left.norm() ** 2 * matrix.right.norm() ** 2) * 0.25 / 4
    assert abs(squares.mean() - expected) < 4 * squares.std() / 4000**0.5


@pytest.mark.parametrize("shape", [(30, 5, 20), (3, 5, 20)])
def test_triangles_have_the_law_of_whole_products(shape):
    rows, rank, cols = shape
    matrix = FactoredMatrix(noise(rows, rank), noise(rank, cols, seed=1))
    drawn = random_products(matrix, 2000)
    generator = np.random.default_rng(1)
    b, a = generator.standard_normal((2000, rows, rank)), generator.standard_normal((2000, rank, cols))
    b *= float(matrix.left.norm()) / np.linalg.norm(b, axis=(1, 2), keepdims=True)
    a *= float(matrix.right.norm()) / np.linalg.norm(a, axis=(1, 2), keepdims=True)
    whole = np.linalg.svd(b @ a, compute_uv=False)[:, : min(rows, rank)]
    error = np.sqrt(drawn.var(0) / 2000 + whole.var(0) / 2000)
    assert (np.abs(drawn.mean(0) - whole.mean(0)) < 4 * error).all()


def test_a_stack_has_no_null_of_its_own():
    with pytest.raises(LayerError, match="one product"):
        random_products(FactoredMatrix(torch.ones(4, 2), torch.ones(3, 2, 5)))
