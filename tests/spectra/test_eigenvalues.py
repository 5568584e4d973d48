from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from eigentrail.errors import LayerError
from eigentrail.spectra.eigenvalues import checked_stack, decompose


def prescribed(n: int, m: int, sigma: np.ndarray, seed: int = 0) -> np.ndarray:
    """A matrix [n, m] with given singular values."""
    rng = np.random.default_rng(seed)
    u = np.linalg.qr(rng.standard_normal((n, m)))[0]
    v = np.linalg.qr(rng.standard_normal((m, m)))[0]
    return (u * sigma) @ v.T


@pytest.mark.parametrize(
    "shape", [(20, 20), (96, 96), (97, 97), (300, 130), (2100, 100), (130, 2100), (1500, 400)]
)
def test_eigenvalues_are_the_squared_singular_values_over_n(shape: tuple[int, int]) -> None:
    w = np.random.default_rng(1).standard_normal(shape)
    found = decompose(w)
    truth = np.sort(np.linalg.svd(w, compute_uv=False) ** 2) / max(shape)
    assert found.groups.shape == (1, min(shape))
    np.testing.assert_allclose(found.groups[0], truth, atol=1e-13 * truth[-1])
    assert (found.rows, found.cols) == (max(shape), min(shape))


@pytest.mark.parametrize("shape", [(40, 30), (500, 200), (200, 500)])
def test_leading_vectors_are_singular_vectors(shape: tuple[int, int]) -> None:
    w = np.random.default_rng(2).standard_normal(shape)
    leading = decompose(w, leading=7).leading
    assert leading is not None
    tall = w if shape[0] >= shape[1] else w.T
    sigma = np.sqrt(leading.values * max(shape))
    np.testing.assert_allclose(sigma, np.linalg.svd(w, compute_uv=False)[:7], rtol=1e-12)
    np.testing.assert_allclose(tall @ leading.short.T, leading.long.T * sigma, atol=1e-10)
    np.testing.assert_allclose(leading.short @ leading.short.T, np.eye(7), atol=1e-12)
    np.testing.assert_allclose(leading.long @ leading.long.T, np.eye(7), atol=1e-10)


def test_a_pool_keeps_its_matrices_apart() -> None:
    pool = np.random.default_rng(3).standard_normal((5, 60, 40)) * np.arange(1, 6)[:, None, None]
    found = decompose(pool)
    for w, values in zip(pool, found.groups, strict=True):
        np.testing.assert_allclose(
            values, np.linalg.svd(w, compute_uv=False)[::-1] ** 2 / 60, rtol=1e-10, atol=1e-12
        )
    assert found.leading is not None and found.leading.matrix == 4


@pytest.mark.parametrize("m", [60, 120])
def test_singular_values_that_a_gram_matrix_would_lose(m: int) -> None:
    # The Gram matrix alone gives 1e-17 of noise where 1e-20 is the truth.
    sigma = np.logspace(0, -10, m)
    values = decompose(prescribed(200, m, sigma)).groups[0]
    np.testing.assert_allclose(np.sqrt(values[::-1] * 200), sigma, rtol=1e-4)


@pytest.mark.parametrize("factor", [1e-30, 1e-6, 1.0, 1e12, 1e150])
def test_scale_neither_overflows_nor_underflows(factor: float) -> None:
    w = np.random.default_rng(4).standard_normal((150, 120))
    np.testing.assert_allclose(decompose(w * factor).groups / factor**2, decompose(w).groups, rtol=1e-9)


def test_float32_huge_and_tiny_entries() -> None:
    w = np.random.default_rng(5).standard_normal((150, 120)).astype(np.float32)
    for power in (-60, 60):
        scaled = np.ldexp(w, power)
        np.testing.assert_array_equal(decompose(scaled).groups, decompose(w).groups * 4.0**power)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 10**6))
def test_transposing_changes_nothing(n: int, m: int, seed: int) -> None:
    w = np.random.default_rng(seed).standard_normal((n, m))
    if w.size == 1:
        return
    np.testing.assert_allclose(decompose(w).groups, decompose(w.T).groups, rtol=1e-9, atol=1e-13)


def test_torch_tensors_of_every_precision() -> None:
    w = torch.randn(40, 30, generator=torch.Generator().manual_seed(0))
    truth = decompose(w.double()).groups
    for dtype, tolerance in ((torch.float32, 1e-6), (torch.bfloat16, 0.05), (torch.float16, 0.01)):
        np.testing.assert_allclose(decompose(w.to(dtype)).groups, truth, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    ("w", "said"),
    [
        (np.full((4, 4), np.nan), "16 of 16 entries are NaN or infinite"),
        (np.array([[1.0, np.inf], [0, 1]]), "1 of 4 entries"),
        (np.zeros((5, 3)), "all 15 entries are zero"),
        (np.full((5, 3), 2.5), "equal to 2.5"),
        (np.empty((0, 3)), "empty"),
        (np.ones(3), "expected a matrix"),
        (np.ones((2, 2), dtype=complex), "complex128"),
    ],
)
def test_what_has_no_spectrum_is_said_in_words(w: np.ndarray, said: str) -> None:
    with pytest.raises(LayerError, match=said):
        checked_stack(w)


@pytest.mark.parametrize("factor", [1e-170, 1e160])
def test_entries_whose_squares_leave_float64_are_refused(factor: float) -> None:
    with pytest.raises(LayerError, match="rescale this layer"):
        checked_stack(factor * np.random.default_rng(0).standard_normal((20, 10)))
