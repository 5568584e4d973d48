from __future__ import annotations

import numpy as np
import pytest
import torch

from eigentrail.linalg import singular_values, symmetric
from eigentrail.linalg.gram import gram, gram_of_halves, half_precision


def test_sums_in_float32_are_those_in_float64_for_entries_of_half_precision() -> None:
    w = torch.randn(3000, 120, generator=torch.Generator().manual_seed(0)).bfloat16().float().numpy()
    assert half_precision(w) and not half_precision(w + 0.1) and not half_precision(w.astype(np.float64))
    exact, found = np.tril(gram(w, 4.0)), np.tril(gram_of_halves(w, 4.0))
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-6 * np.abs(exact).max())


@pytest.mark.parametrize("rank", [120, 40])
def test_tall_matrices_of_half_precision_keep_their_smallest_singular_values(
    rank: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A matrix of low rank keeps its exact zeros: it is done again in float64."""
    monkeypatch.setattr(singular_values, "_HALVES", 100)
    rng = np.random.default_rng(rank)
    signs = rng.choice([-1.0, 1.0], (900, rank)) @ rng.choice([-1.0, 1.0], (rank, 120))
    w = torch.from_numpy(rng.standard_normal((900, 120)) if rank == 120 else signs).bfloat16().float().numpy()
    found = singular_values.squared_singular_values(w, 1.0)[0]
    exact = np.linalg.svd(w.astype(np.float64), compute_uv=False)[::-1] ** 2
    np.testing.assert_allclose(found, exact, rtol=1e-5 if rank == 120 else 1e-8, atol=1e-12 * exact[-1])


@pytest.mark.parametrize("spike", [1.0, 60.0])
@pytest.mark.parametrize("order", ["C", "F"])
def test_eigenvalues_of_large_halves_come_from_float32_where_none_is_lost(spike, order, monkeypatch):
    """Their error stays below 3e-6 of the largest; where the smallest would drown in that, float64 has it."""
    for module in (singular_values, symmetric):
        monkeypatch.setattr(module, "LARGE", 256)
    monkeypatch.setattr(singular_values, "_HALVES", 256)
    rng = np.random.default_rng(2)
    w = rng.standard_normal((600, 320))
    w[:, 0] *= spike
    w = np.array(torch.from_numpy(w).bfloat16().float().numpy(), order=order)
    found, vectors = singular_values.squared_singular_values(w, 1.0, 4)
    exact = np.linalg.eigvalsh(w.T.astype(np.float64) @ w)
    np.testing.assert_allclose(found, exact, rtol=1e-3, atol=3e-6 * exact[-1])
    gram = w.T.astype(np.float64) @ w
    np.testing.assert_allclose(gram @ vectors, vectors * exact[::-1][:4], atol=1e-3 * exact[-1])
