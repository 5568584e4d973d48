from __future__ import annotations

import numpy as np
import pytest

from eigentrail.linalg.leading_svd import leading_svd


@pytest.mark.parametrize("shape", [(80, 50), (50, 80), (60, 60)])
@pytest.mark.parametrize("k", [3, 40])
@pytest.mark.parametrize("smallest", [0.1, 1e-9])
def test_the_largest_triples_of_a_prescribed_spectrum(
    shape: tuple[int, int], k: int, smallest: float
) -> None:
    rng = np.random.default_rng(0)
    rank = min(shape)
    u, v = (np.linalg.qr(rng.standard_normal((size, rank)))[0] for size in shape)
    sigma = np.geomspace(1.0, smallest, rank)
    left, s, right = leading_svd((u * sigma) @ v.T, k)
    np.testing.assert_allclose(s, sigma[:k], rtol=1e-6, atol=1e-15)
    for found, planted in ((left, u), (right, v)):
        np.testing.assert_allclose(found @ found.T, np.eye(k), atol=1e-12)
        np.testing.assert_allclose(np.abs(np.einsum("kn,nk->k", found, planted[:, :k])), 1.0, atol=1e-6)
