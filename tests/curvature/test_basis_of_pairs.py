from __future__ import annotations

import numpy as np
import torch

from eigentrail.curvature.basis import CurvatureBasis
from eigentrail.curvature.lanczos import lanczos


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
