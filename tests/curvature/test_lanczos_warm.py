"""Following eigenpairs: the start from a former basis, and the basis that comes out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from prescribed import Prescribed, hessian_like

from eigentrail.bases import Basis
from eigentrail.curvature.basis import CurvatureBasis
from eigentrail.curvature.lanczos import lanczos
from eigentrail.errors import BasisError

N, K = 600, 10


def _turned(operator, angle, seed):
    """The leading eigenvectors, each turned by an angle into the other eigenvectors."""
    random = np.random.default_rng(seed)
    order = np.argsort(-operator.values)
    noise = random.standard_normal((K, N - K)) * np.where(np.arange(N - K) < 30, 10.0, 1.0)
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    rows = np.cos(angle) * operator.vectors[order[:K]] + np.sin(angle) * noise @ operator.vectors[order[K:]]
    return Basis(rows, operator.values[order[:K]])


@pytest.mark.parametrize("seed", range(3))
def test_a_former_basis_saves_products(seed):
    operator = Prescribed(hessian_like(N, seed), seed)
    cold = lanczos(operator, N, K, seed=seed)
    counts = {}
    for angle in (1e-5, 0.01, 0.1, 0.5):
        warm = lanczos(operator, N, K, seed=seed, start=_turned(operator, angle, seed))
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
    warm = lanczos(operator, N, K, start=_turned(operator, 1e-4, 0), risk=None)
    assert warm.products == K + 1
    image = operator(warm.vectors) - torch.from_numpy(warm.values)[:, None] * warm.vectors
    np.testing.assert_allclose(np.linalg.norm(image.numpy(), axis=1) / warm.values, warm.residuals, rtol=1e-6)


def test_an_eigenvector_that_overtook_is_found():
    """The former vectors are exact still, but another one has become larger."""
    values = hessian_like(N, 1)
    operator = Prescribed(values, 1)
    former = _turned(operator, 0.0, 1)
    operator._d[int(np.argsort(-values)[200])] = 8.0
    found = lanczos(operator, N, K, start=former)
    expected = np.sort(np.r_[np.sort(values)[::-1][:K], 8.0])[::-1][:K]
    np.testing.assert_allclose(found.values, expected, rtol=1e-6)


@pytest.mark.parametrize("kind", ["basis", "vectors", "one vector", "few vectors", "more vectors", "float32"])
def test_kinds_of_start(kind):
    operator = Prescribed(hessian_like(N, 2), 2)
    near = _turned(operator, 0.05, 2)
    rows = near.directions()
    start = {
        "basis": near,
        "vectors": torch.from_numpy(rows),
        "one vector": rows[0],
        "few vectors": rows[:3],
        "more vectors": Basis(
            operator.vectors[np.argsort(-operator.values)[:15]], np.sort(operator.values)[:-16:-1]
        ),
        "float32": torch.from_numpy(rows).float(),
    }[kind]
    found = lanczos(operator, N, K, start=start)
    assert found.converged == K
    np.testing.assert_allclose(found.values, operator.truth(K), rtol=2e-6)


def test_both_ends_follow_too():
    values = np.r_[-hessian_like(600, 4), hessian_like(600, 5)]
    operator = Prescribed(values, 4)
    first = CurvatureBasis.of_pairs(lanczos(operator, 1200, 8, which="both"))
    again = lanczos(operator, 1200, 8, which="both", start=first)
    assert again.products < first.products - 5
    np.testing.assert_allclose(again.values, operator.truth(8, "both"), rtol=2e-6)


@pytest.mark.parametrize(
    "start", [np.zeros((2, N)), np.ones((2, N - 1)), np.full((1, N), np.nan), np.zeros((0, N))]
)
def test_starts_that_do_not_fit(start):
    operator = Prescribed(np.arange(float(N)), 0)
    with pytest.raises(BasisError, match="the start has shape"):
        lanczos(operator, N, 2, start=start)


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
