"""A curvature leaves no trace in the network, its mode, its buffers, its gradients, or the caller's surroundings."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from curvature_cases import vectors
from torch import nn
from torch.nn import functional as F

import eigentrail as et
from eigentrail.errors import CurvatureError


class Net(nn.Module):
    """BatchNorm, dropout and a buffer that is written in every call."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 3, 3)
        self.norm = nn.BatchNorm2d(3)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(3, 3)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        x = self.drop(F.relu(self.norm(self.first(x))))
        return self.head(x.mean(dim=(2, 3)))


def a_net() -> Net:
    torch.manual_seed(0)
    net = Net().double().train()
    net.norm.eval()
    net.first.bias.requires_grad_(False)
    net.head.weight.grad = torch.full_like(net.head.weight, 7.0)
    return net


def state(net: nn.Module) -> Any:
    return (
        {name: value.clone() for name, value in net.state_dict().items()},
        {name: module.training for name, module in net.named_modules()},
        {
            name: (p.requires_grad, None if p.grad is None else p.grad.clone())
            for name, p in net.named_parameters()
        },
        {name: id(p) for name, p in net.named_parameters()},
        torch.is_grad_enabled(),
        torch.backends.mha.get_fastpath_enabled(),
        torch.backends.cuda.flash_sdp_enabled(),
        torch.get_rng_state(),
    )


def same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


@pytest.mark.parametrize("kind", ["hessian", "gauss-newton"])
@pytest.mark.parametrize("way", ["cached", "recomputed"])
def test_everything_is_put_back(kind: str, way: str) -> None:
    net = a_net()
    x, y = torch.randn(8, 2, 5, 5).double(), torch.randint(3, (8,))
    before = state(net)
    operator = et.Curvature(net, None, (x, y), kind=kind, way=way)
    with torch.no_grad():
        operator.apply(torch.from_numpy(vectors(operator.n, 2)))
    operator.gradient()
    operator.loss_value()
    operator.top(1)
    operator.matrix()
    assert same(state(net), before)


@pytest.mark.parametrize("where", ["loss", "network", "second product"])
def test_also_after_an_error(where: str) -> None:
    net = a_net()
    x, y = torch.randn(8, 2, 5, 5).double(), torch.randint(3, (8,))
    calls = []

    def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        net.head.weight.requires_grad_(False)
        net.head.weight.grad = None
        net.calls.add_(1)
        if where == "loss" or (where == "second product" and len(calls) > 8):
            raise RuntimeError("the loss broke")
        return F.cross_entropy(outputs, targets)

    if where == "network":
        x = x[:, :1]
    before = state(net)
    operator = et.Curvature(net, loss, (x, y), way="recomputed")
    match = "network does not take inputs" if where == "network" else "loss does not take .*: the loss broke;"
    with pytest.raises(CurvatureError, match=match):
        for _ in range(20):
            operator @ torch.zeros(operator.n)
    assert same(state(net), before)


def test_a_loss_with_a_mode_of_its_own() -> None:
    class Criterion(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.drop = nn.Dropout(0.5)

        def forward(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            return F.cross_entropy(self.drop(outputs), targets)

    net, criterion = a_net(), Criterion()
    x, y = torch.randn(8, 2, 5, 5).double(), torch.randint(3, (8,))
    v = vectors(et.Curvature(net, None, (x, y)).n, 1)[0]
    found = et.Curvature(net, criterion, (x, y)) @ v
    assert (found == et.Curvature(net, None, (x, y)) @ v).all()
    assert criterion.training and criterion.drop.training


def test_the_surroundings_of_the_caller_do_not_matter() -> None:
    net = a_net()
    x, y = torch.randn(8, 2, 5, 5).double(), torch.randint(3, (8,))
    v = vectors(et.Curvature(net, None, (x, y)).n, 1)[0]
    expected = et.Curvature(net, None, (x, y)) @ v
    with torch.inference_mode():
        assert (et.Curvature(net, None, (x, y)) @ v == expected).all()
    single = copy.deepcopy(net).float()
    plain = et.Curvature(single, None, (x.float(), y)) @ v
    with torch.autocast("cpu"):
        assert (et.Curvature(single, None, (x.float(), y)) @ v == plain).all()
