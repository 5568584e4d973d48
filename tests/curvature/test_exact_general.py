"""Networks whose layers have no closed form, several layers at once, and samples that meet in the loss."""

from __future__ import annotations

import pytest
import torch
from exact_cases import compare, samples, seeded
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from eigentrail.curvature.operator import Curvature


class Twice(nn.Module):
    """One layer used twice in a forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.head = nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.head(torch.tanh(self.inner(torch.tanh(self.inner(inputs)))))


class Elsewhere(nn.Module):
    """A layer whose weight another part of the network uses, too."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.head = nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        hidden = torch.tanh(self.inner(inputs))
        return self.head(torch.tanh(F.linear(hidden, self.inner.weight.T)))


class Tied(nn.Module):
    """Two layers with one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.head = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 3)
        self.second.weight = self.first.weight

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.head(torch.tanh(self.second(torch.tanh(self.first(inputs)))))


class Functional(nn.Module):
    """A layer that only lends its parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.head = nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.head(torch.tanh(F.linear(inputs, self.inner.weight, self.inner.bias)))


@pytest.mark.parametrize(
    ("model", "layers", "note"),
    [
        (Twice, "inner.*", "calls the layer 2 times"),
        (Elsewhere, "inner.*", "uses inner.weight outside its layer too"),
        (Elsewhere, "inner.weight", "uses inner.weight outside its layer too"),
        (Tied, "first.weight", "uses first.weight outside its layer too"),
        (Functional, "inner.*", "without calling the layer"),
    ],
)
@pytest.mark.parametrize("kind", ["hessian", "gauss-newton"])
def test_other_uses_of_a_layer_are_found(model: type[nn.Module], layers: str, note: str, kind: str) -> None:
    found = compare(seeded(model), layers, samples(9, 4), kind=kind)
    assert found.check.method == "products"
    assert note in found.check.note


def test_what_is_behind_a_layer_used_twice_is_closed() -> None:
    assert compare(seeded(Twice), "head.*", samples(9, 4)).check.method == "khatri-rao"
    # The bias of a layer is its own, whatever its weight is tied to.
    assert compare(seeded(Tied), "second.bias", samples(9, 4)).check.method == "khatri-rao"


@pytest.mark.parametrize("layers", [["0.weight", "2.weight"], ["0.bias", "4.*"], ["*"]])
@pytest.mark.parametrize("kind", ["hessian", "gauss-newton"])
def test_several_layers_with_the_blocks_between_them(layers: list[str], kind: str) -> None:
    model = seeded(
        lambda: nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 4), nn.GELU(), nn.Linear(4, 3))
    )
    found = compare(model, layers, samples(9, 4), kind=kind)
    assert found.check.method == "products"


class Symmetric(nn.Module):
    """A weight made of a matrix and its transpose."""

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return weight + weight.T


def test_a_parametrised_weight_is_left_to_products() -> None:
    model = seeded(lambda: nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 3)))
    parametrize.register_parametrization(model[0], "weight", Symmetric())
    found = compare(model, "0.parametrizations.*", samples(9, 4))
    assert found.check.method == "products"


def mixing(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """A loss that compares samples with each other: not a mean over samples."""
    return F.cross_entropy(outputs - outputs.mean(dim=0), targets) + outputs.std(dim=0).mean()


@pytest.mark.parametrize("layers", ["0.*", "2.weight"])
def test_samples_that_meet_in_the_loss_are_found_and_their_terms_kept(layers: str) -> None:
    model = seeded(lambda: nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)))
    found = compare(model, layers, samples(9, 4), loss=mixing, batch_size=None)
    assert found.check.method == "columns"


def test_samples_that_meet_in_some_batches_only() -> None:
    def sometimes(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return (F.cross_entropy if len(outputs) == 4 else mixing)(outputs, targets)

    model = seeded(lambda: nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)))
    curvature = Curvature(model, sometimes, samples(10, 4), "0.*", batch_size=4, weights="batches")
    matrix = curvature.matrix()
    assert curvature.check.method == "columns"
    torch.testing.assert_close(matrix, curvature.apply(torch.eye(curvature.n, dtype=torch.float64)))


def test_a_function_without_a_rule_for_vmap_is_taken_one_by_one() -> None:
    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(context: torch.autograd.function.FunctionCtx, inputs: torch.Tensor) -> torch.Tensor:
            context.save_for_backward(inputs)
            return inputs**3

        @staticmethod
        def backward(context: torch.autograd.function.FunctionCtx, slope: torch.Tensor) -> torch.Tensor:
            (inputs,) = context.saved_tensors
            return Slope.apply(slope, inputs)

    class Slope(torch.autograd.Function):
        @staticmethod
        def forward(
            context: torch.autograd.function.FunctionCtx, slope: torch.Tensor, inputs: torch.Tensor
        ) -> torch.Tensor:
            context.save_for_backward(slope, inputs)
            return 3 * slope * inputs**2

        @staticmethod
        def backward(
            context: torch.autograd.function.FunctionCtx, other: torch.Tensor
        ) -> tuple[torch.Tensor, torch.Tensor]:
            slope, inputs = context.saved_tensors
            # Reading a number out of a tensor is what vmap cannot do.
            factor = 6.0 if float(other.detach().abs().sum()) >= 0 else 0.0
            return 3 * other * inputs**2, factor * other * slope * inputs

    class Cubed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.head = nn.Linear(4, 5), nn.Linear(5, 3)

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return self.head(Cube.apply(self.first(inputs)))

    class Plain(Cubed):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return self.head(self.first(inputs) ** 3)

    data = samples(9, 4)
    own, plain = (
        Curvature(seeded(model), F.cross_entropy, data, "first.*").matrix() for model in (Cubed, Plain)
    )
    torch.testing.assert_close(own, plain, rtol=1e-12, atol=1e-14)
