from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg

from eigentrail.linalg.leading_eigenpairs import leading_eigenpairs, residuals


def planted(values: np.ndarray, seed: int) -> np.ndarray:
    """A symmetric matrix with these eigenvalues."""
    rng = np.random.default_rng(seed)
    q = np.linalg.qr(rng.standard_normal((len(values), len(values))))[0]
    a = (q * values) @ q.T
    return (a + a.T) / 2.0


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("size", [300, 700])
def test_they_are_those_of_the_whole_decomposition(size: int, seed: int) -> None:
    values = np.sort(np.random.default_rng(seed).exponential(size=size) ** 4)[::-1]
    a = planted(values, seed)
    found, vectors = leading_eigenpairs(a, 20)
    np.testing.assert_allclose(found, values[:20], rtol=1e-10)
    expected = scipy.linalg.eigh(a, subset_by_index=[size - 20, size - 1])[1][:, ::-1]
    np.testing.assert_allclose(np.abs((vectors * expected).sum(axis=0)), 1.0, atol=1e-8)
    assert residuals(a, found, vectors).max() < 1e-9


@pytest.mark.parametrize("seed", range(3))
def test_equal_eigenvalues_are_all_found(seed: int) -> None:
    # One start vector of an iteration sees a multiple eigenvalue once.
    values = np.concatenate([np.full(3, 5.0), np.full(4, 2.0), np.linspace(1.0, 0.0, 693)])
    found, vectors = leading_eigenpairs(planted(values, seed), 7)
    np.testing.assert_allclose(found, values[:7], rtol=1e-9)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(7), atol=1e-9)


def test_a_matrix_of_low_rank_has_zeros_behind_its_eigenvalues() -> None:
    values = np.zeros(700)
    values[:3] = 3.0, 2.0, 1.0
    found, _ = leading_eigenpairs(planted(values, 0), 10)
    np.testing.assert_allclose(found, values[:10], atol=1e-12)
