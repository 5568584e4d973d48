from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr

from eigentrail.bases import Basis, random
from eigentrail.curvature.weight_product import weight_product, weight_products
from eigentrail.errors import BasisError, OptionError


def orthonormal(n: int, seed: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((n, n)))[0]


def test_products_of_a_complete_basis_have_unit_norm_and_are_cosines() -> None:
    rows = orthonormal(12, 0)
    basis = Basis(rows, np.arange(12.0)[::-1])
    w = np.random.default_rng(1).standard_normal((3, 4))
    found = weight_product(basis, w)
    assert found.dims == ("i",)
    np.testing.assert_allclose(found, rows @ w.ravel() / np.linalg.norm(w), atol=1e-14)
    np.testing.assert_allclose((found**2).sum(), 1.0, atol=1e-13)
    np.testing.assert_array_equal(found.value, np.arange(12.0)[::-1])


def test_a_planted_direction_and_weights_over_steps() -> None:
    basis = Basis(orthonormal(10, 2)[:4], [4.0, 3.0, 2.0, 1.0])
    h = basis.directions()
    weights = np.stack([h[1] * 5.0, h[2] * -2.0, h[0] + h[3]]).reshape(3, 2, 5)
    run_layer = xr.DataArray(weights, dims=("step", "out", "in"), coords={"step": [0, 10, 20]})
    found = weight_product(basis, run_layer)
    assert found.dims == ("step", "i")
    assert found.step.values.tolist() == [0, 10, 20]
    half = np.sqrt(0.5)
    np.testing.assert_allclose(found, [[0, 1, 0, 0], [0, 0, -1, 0], [half, 0, 0, half]], atol=1e-14)


def test_one_step_of_a_layer_is_taken_as_one_vector() -> None:
    basis = Basis(np.eye(6), np.arange(6.0)[::-1])
    found = weight_product(basis, torch.arange(1.0, 7.0).reshape(2, 3))
    assert found.dims == ("i",)


def test_weights_of_step_s_with_eigenvectors_of_step_t() -> None:
    bases = {
        5: Basis(orthonormal(8, 0)[:3], [3.0, 2.0, 1.0]),
        9: Basis(orthonormal(8, 1)[:3], [6.0, 5.0, 4.0]),
    }
    weights = np.random.default_rng(3).standard_normal((4, 8))
    found = weight_products(bases, weights, steps=[0, 5, 9, 12])
    assert found.dims == ("basis_step", "step", "i")
    for t, basis in bases.items():
        for s, w in zip([0, 5, 9, 12], weights, strict=True):
            np.testing.assert_allclose(found.sel(basis_step=t, step=s), weight_product(basis, w), atol=1e-15)
    np.testing.assert_array_equal(found.value.sel(basis_step=9), [6.0, 5.0, 4.0])


@pytest.mark.parametrize("seed", range(4))
def test_random_directions_scatter_as_chance_says(seed: int) -> None:
    basis = random(500, 400, seed=seed)
    found = weight_product(basis, np.random.default_rng(seed).standard_normal(500))
    # 400 normal numbers: the standard deviation is within 4 standard errors, 4 / sqrt(800).
    assert abs(float(found.std()) / found.attrs["chance"] - 1.0) < 4.0 / np.sqrt(800)


def test_bad_input_is_one_sentence() -> None:
    basis = Basis(np.eye(4)[:2])
    with pytest.raises(BasisError, match="zero"):
        weight_product(basis, np.zeros(4))
    with pytest.raises(BasisError, match="4 dimensions"):
        weight_product(basis, np.ones(5))
    with pytest.raises(OptionError, match="as many steps"):
        weight_product(basis, np.ones((3, 4)), steps=[1, 2])
    with pytest.raises(OptionError, match="at least one basis"):
        weight_products({}, np.ones(4))
