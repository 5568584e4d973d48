"""Products of thin factors that are never multiplied out."""

from __future__ import annotations

import pytest
import torch
from planning import noise

from eigentrail.errors import LayerError
from eigentrail.weights.factored import FactoredMatrix


@pytest.mark.parametrize("shape", [(40, 3, 25), (25, 3, 40), (5, 8, 40), (40, 8, 5), (6, 9, 7)])
@pytest.mark.parametrize("scale", [1.0, -0.25, 16.0])
def test_singular_values_are_those_of_the_dense_product(shape, scale) -> None:
    n, r, m = shape
    left, right = noise(n, r), noise(r, m, seed=1)
    product = FactoredMatrix(left, right, scale)
    dense = scale * left @ right
    assert product.shape == (n, m)
    assert product.core().shape == (min(n, r), min(r, m))
    torch.testing.assert_close(product.dense(), dense)
    values = product.singular_values()
    torch.testing.assert_close(values, torch.linalg.svdvals(dense), rtol=1e-12, atol=1e-12 * float(values[0]))
    assert torch.count_nonzero(values[product.rank_bound :]) == 0


def test_tiny_singular_values_survive_beside_large_ones() -> None:
    q_left, q_right = torch.linalg.qr(noise(200, 4)).Q, torch.linalg.qr(noise(100, 4, seed=1)).Q
    planted = torch.tensor([1e6, 1.0, 1e-3, 1e-6], dtype=torch.float64)
    values = FactoredMatrix(q_left * planted, q_right.T).singular_values()[:4]
    torch.testing.assert_close(values, planted, rtol=1e-3, atol=0)


def test_pools_share_the_left_factor() -> None:
    left, right = noise(12, 3), noise(4, 3, 7, seed=1)
    product = FactoredMatrix(left, right, 2.0)
    assert product.shape == (4, 12, 7)
    torch.testing.assert_close(
        product.singular_values(), torch.linalg.svdvals(product.dense()), rtol=1e-10, atol=1e-10
    )


def test_half_precision_factors_are_taken_as_they_are() -> None:
    left, right = noise(30, 2).half(), noise(2, 20).half()
    expected = torch.linalg.svdvals(left.double() @ right.double())
    torch.testing.assert_close(FactoredMatrix(left, right).singular_values()[:2], expected[:2])


def test_a_large_product_is_refused_but_its_spectrum_is_not() -> None:
    product = FactoredMatrix(noise(200_000, 2), noise(2, 100_000))
    with pytest.raises(LayerError, match=r"\[200000, 100000\].*160000000000 bytes"):
        product.dense()
    expected = torch.linalg.svdvals(product.left) * 0 + product.core().pow(2).sum().sqrt()
    assert torch.linalg.svdvals(product.core()).pow(2).sum().sqrt().isclose(expected[0])
