from __future__ import annotations

import numpy as np

from eigentrail.linalg.smallest_eigenvalues import smallest_eigenvalues


def test_they_are_those_of_a_full_decomposition() -> None:
    w = np.random.default_rng(0).standard_normal((300, 300))
    g = w.T @ w
    found = smallest_eigenvalues(np.asfortranarray(np.tril(g)), 20)
    assert found is not None
    np.testing.assert_allclose(found, np.linalg.svd(w, compute_uv=False)[::-1][:20] ** 2, rtol=1e-4)
    assert len(smallest_eigenvalues(g, 0)) == 0


def test_a_singular_matrix_has_none() -> None:
    w = np.random.default_rng(1).standard_normal((200, 80))
    assert smallest_eigenvalues(w @ w.T - 1e-9 * np.eye(200), 5) is None
