"""Following eigenpairs: the start from former ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from eigentrail.errors import BasisError
from eigentrail.linalg.lanczos import lanczos
from prescribed import Prescribed, hessian_like

N, K = 600, 10


def _turned(operator, angle, seed):
    """The leading eigenvectors, each turned by an angle into the other eigenvectors."""
    random = np.random.default_rng(seed)
    order = np.argsort(-operator.values)
    noise = random.standard_normal((K, N - K)) * np.where(np.arange(N - K) < 30, 10.0, 1.0)
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    rows = np.cos(angle) * operator.vectors[order[:K]] + np.sin(angle) * noise @ operator.vectors[order[K:]]
    return {"start": rows, "start_values": operator.values[order[:K]]}


@pytest.mark.parametrize("seed", range(3))
def test_a_former_basis_saves_products(seed):
    operator = Prescribed(hessian_like(N, seed), seed)
    cold = lanczos(operator, N, K, seed=seed)
    counts = {}
    for angle in (1e-5, 0.01, 0.1, 0.5):
        warm = lanczos(operator, N, K, seed=seed, **_turned(operator, angle, seed))
        assert warm.converged == K
        np.testing.assert_allclose(warm.values, operator.truth(K), rtol=2e-6)
        counts[angle] = warm.products
    searched = 10  # at most
    # It still fits: one product to see that, k to compute the residuals, and the search.
    assert counts[1e-5] <= K + 1 + searched
    assert counts[0.01] <= cold.products - 2
    assert counts[0.1] <= cold.products - 1
    assert counts[0.5] <= cold.products


def test_residuals_of_a_basis_that_still_fits_come_from_products():
    operator = Prescribed(hessian_like(N, 0), 0)
    warm = lanczos(operator, N, K, **_turned(operator, 1e-4, 0), risk=None)
    assert warm.products == K + 1
    image = operator(warm.vectors) - torch.from_numpy(warm.values)[:, None] * warm.vectors
    np.testing.assert_allclose(np.linalg.norm(image.numpy(), axis=1) / warm.values, warm.residuals, rtol=1e-6)


def test_an_eigenvector_that_overtook_is_found():
    """The former vectors are exact still, but another one has become larger."""
    values = hessian_like(N, 1)
    operator = Prescribed(values, 1)
    former = _turned(operator, 0.0, 1)
    operator._d[int(np.argsort(-values)[200])] = 8.0
    found = lanczos(operator, N, K, **former)
    expected = np.sort(np.r_[np.sort(values)[::-1][:K], 8.0])[::-1][:K]
    np.testing.assert_allclose(found.values, expected, rtol=1e-6)


@pytest.mark.parametrize(
    "kind", ["vectors with values", "vectors", "one vector", "few vectors", "more vectors", "float32"]
)
def test_kinds_of_start(kind):
    operator = Prescribed(hessian_like(N, 2), 2)
    near = _turned(operator, 0.05, 2)
    rows = near["start"]
    given = {
        "vectors with values": near,
        "vectors": {"start": torch.from_numpy(rows)},
        "one vector": {"start": rows[0]},
        "few vectors": {"start": rows[:3]},
        "more vectors": {
            "start": operator.vectors[np.argsort(-operator.values)[:15]],
            "start_values": np.sort(operator.values)[:-16:-1],
        },
        "float32": {"start": torch.from_numpy(rows).float()},
    }[kind]
    found = lanczos(operator, N, K, **given)
    assert found.converged == K
    np.testing.assert_allclose(found.values, operator.truth(K), rtol=2e-6)


def test_both_ends_follow_too():
    values = np.r_[-hessian_like(600, 4), hessian_like(600, 5)]
    operator = Prescribed(values, 4)
    first = lanczos(operator, 1200, 8, which="both")
    again = lanczos(operator, 1200, 8, which="both", start=first.vectors, start_values=first.values)
    assert again.products < first.products - 5
    np.testing.assert_allclose(again.values, operator.truth(8, "both"), rtol=2e-6)


@pytest.mark.parametrize(
    "start", [np.zeros((2, N)), np.ones((2, N - 1)), np.full((1, N), np.nan), np.zeros((0, N))]
)
def test_starts_that_do_not_fit(start):
    operator = Prescribed(np.arange(float(N)), 0)
    with pytest.raises(BasisError, match="the start has shape"):
        lanczos(operator, N, 2, start=start)
