"""Operators: the Hessian and the Gauss-Newton matrix keep the contract of a symmetric operator."""

from __future__ import annotations

from typing import Any, Literal

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from eigentrail.curvature import Curvature
from eigentrail.testing import check_operator


def small() -> tuple[nn.Module, tuple[torch.Tensor, torch.Tensor]]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 3)).double()
    inputs = torch.randn(40, 5, dtype=torch.float64)
    return model, (inputs, (inputs[:, 0] > 0).long() + (inputs[:, 1] > 0).long())


@pytest.mark.parametrize("kind", ["hessian", "gauss-newton"])
@pytest.mark.parametrize("layers", [None, ["2.weight"]])
def test_ours_keep_the_contract(kind: Literal["hessian", "gauss-newton"], layers: list[str] | None) -> None:
    model, data = small()
    check_operator(Curvature(model, None, data, layers, kind=kind))


def test_the_hessian_is_autograds() -> None:
    model, (inputs, targets) = small()

    def loss(weight: torch.Tensor) -> torch.Tensor:
        values = {"2.weight": weight.reshape(3, 6)}
        return F.cross_entropy(torch.func.functional_call(model, values, (inputs,)), targets)

    exact = torch.autograd.functional.hessian(loss, model[2].weight.detach().flatten())
    check_operator(Curvature(model, None, (inputs, targets), ["2.weight"]), exact)
    with pytest.raises(AssertionError, match="not the matrix that it should be"):
        check_operator(Curvature(model, None, (inputs, targets), ["2.weight"]), 1.1 * exact)


class Lopsided:
    """An operator whose matrix is not symmetric."""

    n, dtype = 4, torch.float64

    def apply(self, vectors: torch.Tensor) -> torch.Tensor:
        return vectors.roll(1, dims=-1)

    def matrix(self) -> Any:
        return self.apply(torch.eye(4, dtype=torch.float64))


def test_an_operator_that_is_not_symmetric_fails() -> None:
    with pytest.raises(AssertionError, match="the matrix is not symmetric"):
        check_operator(Lopsided())
