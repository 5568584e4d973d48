"""What an exact matrix refuses, and what its check against products catches."""

from __future__ import annotations

import re

import pytest
import torch
from exact_cases import samples, seeded
from torch import nn
from torch.nn import functional as F

from eigentrail.curvature import layer_pass
from eigentrail.curvature.operator import Curvature
from eigentrail.errors import CurvatureError, OptionError


def network() -> nn.Module:
    return seeded(lambda: nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)))


def test_a_limit_is_kept_and_the_need_named() -> None:
    curvature = Curvature(network(), F.cross_entropy, samples(6, 4), "0.weight")
    with pytest.raises(
        CurvatureError, match=r"exact matrix of 24 parameters \(24 x 24, float64\) needs .* MiB"
    ) as error:
        curvature.matrix(limit=1000)
    assert "0.0 MiB are allowed" in str(error.value)
    assert "limit=" in str(error.value)
    assert curvature.matrix(limit=2**30).shape == (24, 24)


def test_half_of_the_memory_is_the_default() -> None:
    # A million parameters: 4 TB in float32, more than machines have; nothing is allocated for it.
    model = nn.Sequential(nn.Linear(1000, 1000), nn.Linear(1000, 2))
    inputs, targets = samples(4, 1000, classes=2)
    curvature = Curvature(model, F.cross_entropy, (inputs.float(), targets), "0.weight")
    with pytest.raises(CurvatureError, match="1000000 parameters"):
        curvature.matrix()


@pytest.mark.parametrize(
    ("options", "text"),
    [({"dtype": torch.float16}, "float32 or torch.float64"), ({"check": -1}, "at least 0, not -1")],
)
def test_options(options: dict[str, object], text: str) -> None:
    with pytest.raises(OptionError, match=re.escape(text)):
        Curvature(network(), F.cross_entropy, samples(6, 4), "0.weight").matrix(**options)  # type: ignore[arg-type]


def test_products_are_taken_where_no_closed_form_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    curvature = Curvature(network(), F.cross_entropy, samples(6, 4), "0.weight", dtype=torch.float64)
    closed = curvature.matrix()
    assert curvature.check.method == "khatri-rao"
    monkeypatch.setattr("eigentrail.curvature.exact_layer._fits", lambda *_: False)
    torch.testing.assert_close(curvature.matrix(), closed, rtol=0, atol=1e-12)
    assert curvature.check.method == "products" and "no way" in curvature.check.note


def test_the_check_may_be_left_out() -> None:
    curvature = Curvature(network(), F.cross_entropy, samples(6, 4), "0.weight")
    curvature.matrix(check=0)
    assert curvature.check.products == 0
    assert curvature.products == 0
    curvature.matrix(check=5)
    assert curvature.check.products == curvature.products == 5


def test_the_check_catches_samples_that_mix_where_nobody_looked(monkeypatch: pytest.MonkeyPatch) -> None:
    def mixing(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(outputs - outputs.mean(dim=0), targets)

    monkeypatch.setattr(layer_pass, "separates", lambda *_: True)
    with pytest.raises(CurvatureError, match=r"khatri-rao\) differs from random products .* mixes samples"):
        Curvature(network(), mixing, samples(6, 4), "0.weight").matrix()


def test_the_check_catches_a_layer_that_changes_its_own_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    model = network()
    # The pass is its own, though the class is the usual one.
    model[0].forward = lambda inputs: F.linear(inputs, 2 * model[0].weight.tanh(), model[0].bias)
    with pytest.raises(CurvatureError, match="differs from random products"):
        Curvature(model, F.cross_entropy, samples(6, 4), "0.weight").matrix()


def test_a_loss_without_a_path_behind_the_layer() -> None:
    class Cut(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.head = nn.Linear(4, 5), nn.Linear(5, 3)

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return self.head(self.first(inputs).detach())

    with pytest.raises(CurvatureError, match="gradient path"):
        Curvature(seeded(Cut), F.cross_entropy, samples(6, 4), "first.weight").matrix()


def test_a_linear_tail_has_no_curvature() -> None:
    model = seeded(lambda: nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 3)))
    curvature = Curvature(model, lambda outputs, targets: outputs.mean(), samples(6, 4), "0.*")
    assert torch.equal(curvature.matrix(), torch.zeros(25, 25, dtype=torch.float64))


@pytest.mark.parametrize("kind", ["hessian", "gauss-newton"])
@pytest.mark.parametrize("layers", ["0.weight", ["0.weight", "2.weight"]])
def test_a_loss_that_is_not_finite_is_named(kind: str, layers: str | list[str]) -> None:
    inputs, targets = samples(10, 4)
    inputs[9] = torch.inf
    with pytest.raises(CurvatureError, match="the loss is nan"):
        Curvature(network(), F.cross_entropy, (inputs, targets), layers, kind, batch_size=4).matrix(check=0)


def test_a_derivative_that_is_not_finite_is_named() -> None:
    # A root at zero has no derivative, though the loss is finite.
    model = seeded(lambda: nn.Sequential(nn.Linear(4, 3, bias=False)))
    with torch.no_grad():
        model[0].weight.zero_()

    def root(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return outputs.square().sum(dim=1).sqrt().mean()

    with pytest.raises(CurvatureError, match="derivative of the loss is not finite"):
        Curvature(model, root, samples(6, 4), "0.weight").matrix(check=0)
