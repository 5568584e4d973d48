"""Losses that call the network themselves, as loss(model, batch)."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.func import functional_call

import eigentrail as et
from eigentrail.curvature import ModelLoss
from eigentrail.errors import CurvatureError

torch.manual_seed(0)
MODEL = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()
INPUTS, LABELS = torch.randn(24, 3).double(), torch.randint(0, 2, (24,))


def usual(model: nn.Module, batch: Any) -> torch.Tensor:
    inputs, targets = (batch["x"], batch["y"]) if isinstance(batch, dict) else batch
    return nn.functional.cross_entropy(model(inputs), targets)


def contrastive(model: nn.Module, batch: Any) -> torch.Tensor:
    z = nn.functional.normalize(model(batch[0]), dim=1)
    alike = z @ z.T - 1e3 * torch.eye(len(z)).to(z)
    return nn.functional.cross_entropy(alike, (torch.arange(len(z)) + 1) % len(z))


def full(loss: Any) -> torch.Tensor:
    """The Hessian of the whole network by torch alone."""
    names, sizes = zip(*((name, p.numel()) for name, p in MODEL.named_parameters()), strict=True)
    shapes = [p.shape for p in MODEL.parameters()]

    def of(w: torch.Tensor) -> torch.Tensor:
        parts = {n: one.reshape(s) for n, one, s in zip(names, w.split(sizes), shapes, strict=True)}
        return loss(lambda x: functional_call(MODEL, parts, (x,)))  # type: ignore[no-any-return]

    w = torch.cat([p.detach().reshape(-1) for p in MODEL.parameters()])
    return torch.autograd.functional.hessian(of, w)  # type: ignore[return-value]


@pytest.mark.parametrize("data", [(INPUTS, LABELS), {"x": INPUTS, "y": LABELS}])
def test_it_is_the_loss_of_outputs_and_targets(data: Any) -> None:
    plain = et.Curvature(MODEL, None, (INPUTS, LABELS))
    own = et.Curvature(MODEL, ModelLoss(usual), data, batch_size=7)
    torch.testing.assert_close(own.matrix(), plain.matrix(), rtol=1e-9, atol=1e-12)
    assert own.loss_value() == pytest.approx(plain.loss_value(), rel=1e-12)
    torch.testing.assert_close(own.gradient(), plain.gradient(), rtol=1e-9, atol=1e-12)
    # A layer's closed form cuts the graph behind it, whoever calls the network.
    layer = et.Curvature(MODEL, ModelLoss(usual), data, layers="2")
    torch.testing.assert_close(layer.matrix(), plain.matrix()[16:24, 16:24], rtol=1e-9, atol=1e-12)
    assert layer.check.method == "khatri-rao"


def test_samples_that_meet_are_refused_unless_batches_are_what_counts() -> None:
    halves = [(INPUTS[:12], LABELS[:12]), (INPUTS[12:], LABELS[12:])]
    with pytest.raises(CurvatureError, match='weights="batches"'):
        et.Curvature(MODEL, ModelLoss(contrastive), halves).top(1)
    found = et.Curvature(MODEL, ModelLoss(contrastive), halves, weights="batches").matrix()
    wanted = sum(full(lambda model, half=half: contrastive(model, half)) for half in halves) / 2
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-12)


def test_what_it_cannot_be() -> None:
    with pytest.raises(CurvatureError, match="needs its outputs"):
        et.Curvature(MODEL, ModelLoss(usual), (INPUTS, LABELS), kind="gauss-newton").top(1)
    with pytest.raises(CurvatureError, match=r"give a function loss\(model, batch\)"):
        ModelLoss("contrastive")  # type: ignore[arg-type]
