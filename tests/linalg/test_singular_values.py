import numpy as np
import pytest

from eigentrail.linalg.singular_values import singular_values


@pytest.mark.parametrize("shape", [(4, 1, 30, 20), (3, 1, 130, 110), (2, 5, 12, 7), (1, 1, 9, 1)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1e-20, 1.0, 1e20])
def test_agrees_with_numpy(shape: tuple[int, ...], dtype: type, size: float) -> None:
    stack = (size * np.random.default_rng(3).standard_normal(shape)).astype(dtype)
    truth = np.linalg.svd(stack.astype(np.float64), compute_uv=False).reshape(shape[0], -1)
    truth = -np.sort(-truth, axis=1)
    np.testing.assert_allclose(singular_values(stack), truth, rtol=1e-9, atol=1e-12 * truth.max())


@pytest.mark.parametrize("m", [20, 100])
def test_small_singular_values_of_ill_conditioned_matrices(m: int) -> None:
    rng = np.random.default_rng(0)
    u, v = (np.linalg.qr(rng.standard_normal((size, m)))[0] for size in (2 * m, m))
    sigma = np.geomspace(1, 1e-10, m)
    found = singular_values(((u * sigma) @ v.T)[None, None])
    np.testing.assert_allclose(found[0], sigma, rtol=1e-4)


@pytest.mark.parametrize("m", [10, 120])
def test_a_step_that_is_not_finite_is_missing_and_zeros_are_zero(m: int) -> None:
    stack = np.random.default_rng(1).standard_normal((4, 1, 150, m))
    stack[1, 0, 3, 2], stack[2] = np.nan, 0.0
    found = singular_values(stack)
    assert np.isnan(found[1]).all()
    assert (found[2] == 0).all()
    assert np.isfinite(found[[0, 3]]).all()
