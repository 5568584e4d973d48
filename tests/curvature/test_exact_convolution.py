"""The exact matrix of a convolution: patches, with the terms between patches."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from exact_cases import compare, samples, seeded
from torch import nn
from torch.nn import functional as F

from eigentrail.curvature.affine_layer import owner
from eigentrail.curvature.operator import Curvature


def images(activation: type[nn.Module] = nn.GELU, **options: Any) -> nn.Module:
    """One convolution between an image of two channels and a tail with pooling."""
    return seeded(
        lambda: nn.Sequential(
            nn.Conv2d(2, 4, **options),
            activation(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(16, 5),
            activation(),
            nn.Linear(5, 3),
        )
    )


SHAPES = {
    "plain": {"kernel_size": 3},
    "stride": {"kernel_size": 3, "stride": 2},
    "padding": {"kernel_size": (3, 2), "padding": (2, 1), "stride": (1, 2)},
    "same": {"kernel_size": 3, "padding": "same", "dilation": 2},
    "valid": {"kernel_size": 2, "padding": "valid"},
    "groups": {"kernel_size": 3, "groups": 2, "padding": 1},
    "dilation": {"kernel_size": 2, "dilation": (2, 3)},
    "circular": {"kernel_size": 3, "padding": 1, "padding_mode": "circular"},
    "reflect": {"kernel_size": 3, "padding": 2, "padding_mode": "reflect", "stride": 2},
    "pointwise": {"kernel_size": 1},
    "no bias": {"kernel_size": 3, "bias": False, "stride": 2},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_the_hessian_of_autograd(shape: str) -> None:
    found = compare(images(**SHAPES[shape]), "0.*", samples(6, 2, 6, 5))
    assert found.check.method in {"positions", "columns"}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("activation", "kind"), [(nn.ReLU, "hessian"), (nn.GELU, "gauss-newton")])
def test_few_outputs_carry_what_a_piecewise_linear_tail_or_gauss_newton_has(
    shape: str, activation: type[nn.Module], kind: str
) -> None:
    found = compare(images(activation, **SHAPES[shape]), "0.*", samples(6, 2, 6, 5), kind=kind)
    positions = found.model[0](samples(6, 2, 6, 5)[0].to(found.dtype))[0, 0].numel()
    # Three outputs a sample, and three times the work of a pair of positions.
    assert (found.check.method == "outputs") == (positions >= 6)


@pytest.mark.parametrize("layers", ["0.weight", "0.bias"])
@pytest.mark.parametrize("groups", [1, 2])
def test_few_outputs_for_weight_or_bias_alone(layers: str, groups: int) -> None:
    model = images(nn.ReLU, kernel_size=3, groups=groups, padding=1)
    assert compare(model, layers, samples(6, 2, 6, 5)).check.method == "outputs"


def test_a_tail_that_bends_in_some_batches_only_is_not_taken_for_straight() -> None:
    class Bent(nn.Module):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return inputs if len(inputs) == 4 else inputs + inputs.square()

    model = images(nn.ReLU, kernel_size=2)
    model[1] = Bent()
    curvature = Curvature(model, F.cross_entropy, samples(6, 2, 6, 5), "0.*", batch_size=4, weights="batches")
    matrix = curvature.matrix()
    assert curvature.check.method == "columns"
    torch.testing.assert_close(matrix, curvature.apply(torch.eye(curvature.n, dtype=torch.float64)))


@pytest.mark.parametrize("layers", ["0.weight", "0.bias"])
def test_weight_or_bias_alone(layers: str) -> None:
    compare(images(kernel_size=3, groups=2, padding=1), layers, samples(6, 2, 6, 5))


def test_the_gauss_newton_form() -> None:
    compare(images(kernel_size=3, stride=2), "0.*", samples(6, 2, 6, 5), kind="gauss-newton")


def test_few_positions_are_taken_one_by_one_and_many_by_columns() -> None:
    few = compare(images(kernel_size=3, stride=2, padding=1), "0.*", samples(6, 2, 6, 5))
    assert few.check.method == "positions"
    many = compare(images(kernel_size=1), "0.*", samples(6, 2, 6, 5))
    assert many.check.method == "columns"


def test_one_position_needs_no_terms_between_patches() -> None:
    found = compare(images(kernel_size=(6, 5)), "0.*", samples(6, 2, 6, 5))
    assert found.check.method == "khatri-rao"


def test_depthwise_and_pooled_with_batch_norm_and_a_shortcut() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(2, 4, 3, padding=1, bias=False)
            self.norm = nn.BatchNorm2d(4)
            self.depth = nn.Conv2d(4, 4, 3, padding=1, groups=4)
            self.head = nn.Linear(4, 3)

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            hidden = torch.relu(self.norm(self.first(inputs)))
            hidden = F.max_pool2d(torch.relu(hidden + self.depth(hidden)), 2)
            return self.head(torch.tanh(hidden).mean(dim=(2, 3)))

    model = seeded(Block)
    model.train()
    model(samples(20, 2, 4, 4)[0])
    for layers in ("first.weight", "depth.*"):
        compare(model, layers, samples(5, 2, 4, 4))


@pytest.mark.parametrize(
    ("convolution", "shape"),
    [
        (lambda: nn.Conv1d(2, 3, 4, padding=2, stride=2), (2, 9)),
        (lambda: nn.Conv3d(2, 3, 2, padding=(1, 0, 0)), (2, 2, 3, 3)),
    ],
)
def test_one_and_three_axes(convolution: Any, shape: tuple[int, ...]) -> None:
    model = seeded(lambda: nn.Sequential(convolution(), nn.Tanh(), nn.Flatten(), nn.LazyLinear(3)))
    model(samples(2, *shape)[0])
    compare(model, "0.*", samples(6, *shape))


def test_a_convolution_by_itself_is_its_weight_times_its_patches() -> None:
    model = seeded(lambda: nn.Conv2d(4, 6, (3, 2), stride=2, padding=(1, 2), groups=2))
    layer = owner(nn.Sequential(model), ["0.weight", "0.bias"])
    assert layer is not None
    inputs, _ = samples(3, 4, 7, 8)
    matrix = torch.cat([model.weight.flatten(1), model.bias[:, None]], dim=1)
    group = torch.arange(6) // 3
    found = torch.einsum("...oi,oi->...o", layer.patches(inputs)[..., group, :], matrix)
    torch.testing.assert_close(found, layer.rows(model(inputs)))
    assert layer.outputs(layer.rows(model(inputs))).shape == model(inputs).shape


def test_a_convolution_that_computes_in_its_own_way_is_left_to_products() -> None:
    class Standardised(nn.Conv2d):
        def _conv_forward(self, inputs: Any, weight: Any, bias: Any) -> torch.Tensor:
            return super()._conv_forward(inputs, weight / weight.norm(), bias)

    model = images(kernel_size=3, stride=2)
    model[0] = seeded(lambda: Standardised(2, 4, 3, stride=2))
    found = compare(model, "0.*", samples(6, 2, 6, 5))
    assert found.check.method == "products"
