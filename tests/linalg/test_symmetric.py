from __future__ import annotations

import numpy as np

from eigentrail.linalg.symmetric import symmetric_eigen


def test_symmetric_eigen_agrees_with_a_dense_solver() -> None:
    a = np.random.default_rng(6).standard_normal((150, 150))
    g = a @ a.T
    values, vectors = symmetric_eigen(np.asfortranarray(g), 5)
    truth, q = np.linalg.eigh(g)
    np.testing.assert_allclose(values, truth, atol=1e-10)
    np.testing.assert_allclose(np.abs(np.sum(vectors * q[:, ::-1][:, :5], axis=0)), 1, atol=1e-10)
