from __future__ import annotations

import numpy as np
import pytest
import torch

from eigentrail.curvature.eigenbasis import eigenbasis
from eigentrail.errors import CurvatureError


@pytest.mark.parametrize("seed", range(3))
def test_prescribed_eigenvalues_with_clusters_and_negative_ones(seed: int) -> None:
    values = np.concatenate([[9.0, 4.0, 4.0, 4.0], np.zeros(20), [-0.5, -2.0]])
    q = np.linalg.qr(np.random.default_rng(seed).standard_normal((26, 26)))[0]
    h = (q * values) @ q.T
    found = eigenbasis((h + h.T) / 2)
    np.testing.assert_allclose(found.values, values, atol=1e-13)
    rows = found.directions()
    np.testing.assert_allclose(rows @ rows.T, np.eye(26), atol=1e-13)
    np.testing.assert_allclose((rows.T * found.values) @ rows, h, atol=1e-13)
    np.testing.assert_allclose(np.abs(rows[0] @ q[:, 0]), 1.0, atol=1e-12)


def test_a_tensor_gives_tensors_in_float64() -> None:
    found = eigenbasis(torch.diag(torch.tensor([1.0, 3.0])))
    assert found.directions().dtype == torch.float64
    assert found.values.tolist() == [3.0, 1.0]


def test_bad_input_is_one_sentence() -> None:
    with pytest.raises(CurvatureError, match=r"\[n, n\]"):
        eigenbasis(np.ones((2, 3)))
    with pytest.raises(CurvatureError, match="transpose"):
        eigenbasis(np.array([[1.0, 2.0], [0.0, 1.0]]))
    with pytest.raises(CurvatureError, match="NaN"):
        eigenbasis(np.full((2, 2), np.nan))
