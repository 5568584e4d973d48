"""Networks, losses and batches of unusual form: physics-informed, nested targets, buffers of a loss, many classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, jvp, vmap
from torch.utils.data import DataLoader, Dataset

import eigentrail as et
from eigentrail.curvature import ModelLoss, linear_cross_entropy
from eigentrail.errors import CurvatureError

torch.manual_seed(0)
MODEL = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()
INPUTS, LABELS, NUMBERS = torch.randn(20, 3).double(), torch.randint(0, 2, (20,)), torch.randn(20).double()


def full(model: nn.Module, loss: Any) -> torch.Tensor:
    """The Hessian of all parameters by torch alone."""
    names, sizes = zip(*((name, p.numel()) for name, p in model.named_parameters()), strict=True)
    shapes = [p.shape for p in model.parameters()]

    def of(w: torch.Tensor) -> torch.Tensor:
        parts = {n: one.reshape(s) for n, one, s in zip(names, w.split(sizes), shapes, strict=True)}
        return loss(lambda x: functional_call(model, parts, (x,)))  # type: ignore[no-any-return]

    w = torch.cat([p.detach().reshape(-1) for p in model.parameters()])
    return torch.autograd.functional.hessian(of, w)  # type: ignore[return-value]


class Informed(nn.Module):
    """A network that gives u and its derivative in x, found in one of torch's ways."""

    def __init__(self, way: str) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.net = nn.Sequential(nn.Linear(1, 4), nn.Tanh(), nn.Linear(4, 1)).double()
        self.way = way

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.way == "jvp":
            return torch.cat(jvp(self.net, (x,), (torch.ones_like(x),)), dim=1)
        if self.way == "grad":
            slopes = vmap(grad(lambda one: self.net(one[None])[0, 0]))(x)
            return torch.cat([self.net(x), slopes], dim=1)
        x = x.detach().requires_grad_()
        u = self.net(x)
        return torch.cat([u, torch.autograd.grad(u.sum(), x, create_graph=True)[0]], dim=1)


@pytest.mark.parametrize("way", ["jvp", "grad", "autograd"])
def test_a_network_that_differentiates_itself(way: str) -> None:
    x = torch.linspace(0, 1, 12).double()[:, None]
    wanted = torch.cat([x.sin(), x.cos()], dim=1)
    model, loss = Informed(way), nn.MSELoss()
    hessian = full(model, lambda net: loss(net(x), wanted))
    curvature = et.Curvature(model, loss, (x, wanted))
    torch.testing.assert_close(curvature.matrix(), hessian, rtol=1e-8, atol=1e-11)
    assert curvature.loss_value() == pytest.approx(loss(model(x), wanted).item(), rel=1e-12)
    # A layer of it has no closed form, for its derivative enters as well.
    layer = et.Curvature(model, loss, (x, wanted), layers="net.2.weight")
    torch.testing.assert_close(layer.matrix(), hessian[8:12, 8:12], rtol=1e-8, atol=1e-11)
    torch.testing.assert_close(layer.diagonal().values, hessian.diagonal()[8:12], rtol=1e-8, atol=1e-11)


class Nested(Dataset[Any]):
    def __len__(self) -> int:
        return 20

    def __getitem__(self, index: int) -> Any:
        return INPUTS[index], (LABELS[index], NUMBERS[index])


def both(outputs: torch.Tensor, targets: Any) -> torch.Tensor:
    classes, numbers = targets.values() if isinstance(targets, Mapping) else targets
    return nn.functional.cross_entropy(outputs, classes) + nn.functional.mse_loss(outputs.sum(1), numbers)


@pytest.mark.parametrize(
    "data",
    [
        (INPUTS, (LABELS, NUMBERS)),
        (INPUTS, {"classes": LABELS, "numbers": NUMBERS}),
        DataLoader(Nested(), 7),
        [(INPUTS[:9], (LABELS[:9], NUMBERS[:9])), (INPUTS[9:], (LABELS[9:], NUMBERS[9:]))],
        [[INPUTS[:9], [LABELS[:9], NUMBERS[:9]]], [INPUTS[9:], [LABELS[9:], NUMBERS[9:]]]],
    ],
    ids=["pair", "dict", "loader", "batches", "lists"],
)
def test_nested_targets_in_uneven_batches(data: Any) -> None:
    wanted = full(MODEL, lambda net: both(net(INPUTS), (LABELS, NUMBERS)))
    torch.testing.assert_close(et.Curvature(MODEL, both, data).matrix(), wanted, rtol=1e-9, atol=1e-12)


def test_the_buffers_of_a_loss_follow_the_precision() -> None:
    single = nn.CrossEntropyLoss(weight=torch.tensor([0.3, 2.0]))
    double = nn.CrossEntropyLoss(weight=torch.tensor([0.3, 2.0]).double())
    wanted = full(MODEL, lambda net: double(net(INPUTS), LABELS))
    found = et.Curvature(MODEL, single, (INPUTS, LABELS), batch_size=7).matrix()
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-9)
    assert single.weight is not None and single.weight.dtype == torch.float32


class Tied(nn.Module):
    """A language model in small: its last layer is its embedding."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.embedding = nn.Embedding(11, 4)
        self.mix = nn.Linear(4, 4)
        self.double()

    def body(self, tokens: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.mix(self.embedding(tokens)))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.body(tokens) @ self.embedding.weight.T


def test_a_cross_entropy_whose_logits_are_never_all_held() -> None:
    model = Tied()
    tokens = torch.randint(0, 11, (6, 5), generator=torch.Generator().manual_seed(3))
    labels = tokens.roll(-1, 1)
    labels[0, 2:] = -100

    def fused(model: Any, batch: Any) -> torch.Tensor:
        # Seven logits' rows at a time: 30 positions in parts of one.
        return linear_cross_entropy(model.body(batch[0]), model.embedding.weight, batch[1], numbers=15)

    def plain(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return nn.functional.cross_entropy(outputs.flatten(0, 1), targets.flatten())

    for size in (None, 4):
        ours = et.Curvature(model, ModelLoss(fused), (tokens, labels), batch_size=size)
        theirs = et.Curvature(model, plain, (tokens, labels))
        assert ours.loss_value() == pytest.approx(theirs.loss_value(), rel=1e-12)
        torch.testing.assert_close(ours.gradient(), theirs.gradient(), rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(ours.matrix(), theirs.matrix(), rtol=1e-9, atol=1e-12)
    with pytest.raises(CurvatureError, match="do not fit"):
        linear_cross_entropy(torch.randn(3, 4), torch.randn(11, 5), torch.zeros(3, dtype=torch.long))
    with pytest.raises(CurvatureError, match="all are ignored"):
        linear_cross_entropy(torch.randn(3, 4), torch.randn(11, 4), torch.full((3,), -100))
