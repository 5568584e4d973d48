from __future__ import annotations

import numpy as np
import pytest
import torch

from eigentrail.bases import Basis
from eigentrail.curvature.basis import CurvatureBasis
from eigentrail.errors import BasisError
from eigentrail.linalg.lanczos import lanczos
from prescribed import Prescribed


def test_float32_vectors_of_a_million_entries_make_a_basis() -> None:
    n = 1_000_000
    generator = torch.Generator().manual_seed(0)
    planted = torch.linalg.qr(torch.randn(n, 3, generator=generator))[0].T
    heights = torch.tensor([9.0, 7.0, 5.0])
    pairs = lanczos(
        lambda v: v + ((v @ planted.T) * (heights - 1.0)) @ planted,
        n,
        3,
        tol=1e-3,
        dtype=torch.float32,
        seed=0,
    )
    found = CurvatureBasis.of_pairs(pairs)
    np.testing.assert_allclose(found.values, heights, rtol=1e-4)
    rows = found.directions()
    assert rows.dtype == torch.float64
    np.testing.assert_allclose(rows.norm(dim=1), 1.0, atol=1e-14)
    np.testing.assert_allclose((rows @ planted.double().T).abs(), np.eye(3), atol=1e-3)


def test_vectors_whose_lengths_are_off_by_rounding_become_unit_ones() -> None:
    pairs = lanczos(lambda v: v * torch.arange(1.0, 9.0), 8, 2, tol=1e-6, dtype=torch.float32, seed=0)
    long = type(pairs)(**{**vars(pairs), "vectors": pairs.vectors * (1.0 + 3e-5)})
    np.testing.assert_allclose(CurvatureBasis.of_pairs(long).directions().norm(dim=1), 1.0, atol=1e-14)


def test_the_basis_keeps_residuals_with_their_directions():
    operator = Prescribed(np.r_[5, 4, 3, -1, 0.01 * np.arange(60)], 0)
    pairs = lanczos(operator, 64, 3, tol=1e-6)
    basis = CurvatureBasis.of_pairs(pairs)
    assert isinstance(basis, Basis)
    assert basis.products == pairs.products
    assert basis.risk == pairs.risk
    assert isinstance(basis.values, torch.Tensor)
    np.testing.assert_allclose(basis.residuals.numpy(), pairs.residuals)
    leading = basis.leading(2)
    np.testing.assert_allclose(leading.residuals.numpy(), pairs.residuals[:2])
    assert "2 eigenvectors of 64 parameters" in repr(leading)

    shuffled = CurvatureBasis(np.eye(3), [1.0, 3.0, 2.0], [0.1, 0.3, 0.2], 7)
    np.testing.assert_array_equal(shuffled.residuals, [0.3, 0.2, 0.1])
    with pytest.raises(BasisError, match="3 finite residuals"):
        CurvatureBasis(np.eye(3), [1.0, 3.0, 2.0], [0.1, np.nan, 0.2], 7)
