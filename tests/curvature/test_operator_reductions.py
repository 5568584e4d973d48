"""Diagonal, Frobenius norm and scipy's view of a curvature, beside the full matrix by torch alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.sparse.linalg import eigsh
from torch import nn
from torch.func import functional_call

import eigentrail as et
from eigentrail.curvature.diagonal import estimated_diagonal
from eigentrail.curvature.frobenius import frobenius_norm
from eigentrail.errors import OptionError

torch.manual_seed(0)
MODEL = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2)).double()
INPUTS, LABELS = torch.randn(40, 3).double(), torch.randint(0, 2, (40,))


def full() -> torch.Tensor:
    names, sizes = zip(*((name, p.numel()) for name, p in MODEL.named_parameters()), strict=True)
    shapes = [p.shape for p in MODEL.parameters()]

    def of(w: torch.Tensor) -> torch.Tensor:
        parts = {n: one.reshape(s) for n, one, s in zip(names, w.split(sizes), shapes, strict=True)}
        return nn.functional.cross_entropy(functional_call(MODEL, parts, (INPUTS,)), LABELS)

    w = torch.cat([p.detach().reshape(-1) for p in MODEL.parameters()])
    return torch.autograd.functional.hessian(of, w)  # type: ignore[return-value]


HESSIAN = full()


def planted(n: int = 60) -> torch.Tensor:
    a = torch.randn(n, n, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return (a + a.T) / 2


@pytest.mark.parametrize("kind", ["hessian", "gauss-newton"])
@pytest.mark.parametrize("layers", [["2.weight", "2.bias"], ["0.weight"], ["0.bias"]])
def test_the_diagonal_of_a_layer_is_closed(layers: list[str], kind: str) -> None:
    curvature = et.Curvature(MODEL, None, (INPUTS, LABELS), layers, kind, batch_size=7, weight_decay=0.5)
    found = curvature.diagonal()
    assert (found.method, found.products, float(found.errors.max())) == ("closed", 0, 0.0)
    torch.testing.assert_close(found.values, curvature.matrix().diagonal(), rtol=1e-10, atol=1e-12)


def test_the_diagonal_of_a_network_is_exact_where_products_allow_it() -> None:
    curvature = et.Curvature(MODEL, None, (INPUTS, LABELS))
    found = curvature.diagonal()
    assert found.method == "exact"
    torch.testing.assert_close(found.values, HESSIAN.diagonal(), rtol=1e-9, atol=1e-12)


def test_positions_that_meet_are_not_closed() -> None:
    sequences = nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Flatten(), nn.Linear(8, 2)).double()
    x, y = torch.randn(20, 4, 3).double(), torch.randint(0, 2, (20,))
    curvature = et.Curvature(sequences, None, (x, y), "0.weight")
    found = curvature.diagonal()
    assert found.method == "exact"
    torch.testing.assert_close(found.values, curvature.matrix().diagonal(), rtol=1e-9, atol=1e-12)


def test_errors_of_an_estimated_diagonal_are_as_stated() -> None:
    h = planted()
    misses = []
    for seed in range(20):
        found = estimated_diagonal(lambda v: v @ h, 60, 40, seed)
        assert (found.method, found.products) == ("estimated", 40)
        misses.append(((found.values - h.diagonal()) / found.errors).numpy())
    # 1,200 misses in units of their stated errors, of 39 degrees of freedom each: variance 39/37.
    assert np.square(misses).mean() == pytest.approx(39 / 37, abs=0.15)


def test_a_frobenius_norm_and_its_error() -> None:
    h = planted()
    exact = frobenius_norm(lambda v: v @ h, 60, 60)
    assert (exact.value, exact.error, exact.method) == (
        pytest.approx(float(h.norm()), rel=1e-12),
        0.0,
        "exact",
    )
    found = [frobenius_norm(lambda v: v @ h, 60, 30, seed) for seed in range(40)]
    misses = [(one.value - float(h.norm())) / one.error for one in found]
    # 40 misses of variance 29/27 give a mean square within 0.5 of it in 95 of 100 seeds.
    assert np.square(misses).mean() == pytest.approx(29 / 27, abs=0.5)
    curvature = et.Curvature(MODEL, None, (INPUTS, LABELS))
    assert float(curvature.frobenius_norm()) == pytest.approx(float(HESSIAN.norm()), rel=1e-9)
    assert frobenius_norm(torch.zeros_like, 60, 4).error == 0.0
    with pytest.raises(OptionError):
        curvature.frobenius_norm(1)


def test_scipy_finds_the_eigenvalues() -> None:
    operator = et.Curvature(MODEL, None, (INPUTS, LABELS)).to_scipy()
    assert operator.shape == HESSIAN.shape and operator.dtype == np.float64
    found = eigsh(operator, k=3, return_eigenvectors=False)
    both = torch.linalg.eigvalsh(HESSIAN)
    wanted = both[both.abs().argsort()[-3:]].sort().values
    np.testing.assert_allclose(np.sort(found), wanted.numpy(), rtol=1e-8)
    columns = np.eye(len(HESSIAN))[:, :4]
    np.testing.assert_allclose(operator @ columns, HESSIAN[:, :4].numpy(), atol=1e-10)
    np.testing.assert_allclose(operator.T @ columns[:, 0], HESSIAN[0].numpy(), atol=1e-10)
