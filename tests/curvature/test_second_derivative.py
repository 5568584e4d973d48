"""Second derivatives that torch gets wrong are refused, by products as well as by solvers, and right ones never."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import eigentrail as et
from eigentrail import networks
from eigentrail.errors import CurvatureError


class Once(torch.autograd.Function):
    """A hyperbolic tangent of which only the first derivative is one of torch's."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return x.tanh()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, g: torch.Tensor) -> torch.Tensor:
        return g * (1 - ctx.saved_tensors[0].tanh() ** 2)


class Detached(torch.autograd.Function):
    """The same, with a backward pass that is a constant for the second derivative, which stays symmetric."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.slope = (1 - x.tanh() ** 2).detach()
        return x.tanh()

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> torch.Tensor:
        return g * ctx.slope


class Through(nn.Module):
    def __init__(self, function: type[torch.autograd.Function]) -> None:
        super().__init__()
        self.a, self.b, self.function = nn.Linear(6, 5), nn.Linear(5, 3), function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.b(self.function.apply(self.a(x)))


def normed() -> nn.Module:
    return nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(6, 4)), nn.Tanh(), nn.Linear(4, 3))


WRONG: dict[str, Callable[[], nn.Module]] = {
    "weight_norm": normed,
    "once": lambda: Through(Once),
    "detached": lambda: Through(Detached),
}
ASKED: dict[str, Callable[[et.Curvature], Any]] = {
    "@": lambda c: c @ torch.ones(c.n, dtype=c.dtype),
    "trace": lambda c: c.trace(20),
    "density": lambda c: c.density(probes=2, depth=5),
    "top": lambda c: c.top(2),
    "matrix": lambda c: c.matrix(),
}


@pytest.mark.parametrize("ask", ASKED)
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_second_derivative_is_refused_whatever_is_asked(name: str, ask: str) -> None:
    for seed in range(3):
        for dtype in (torch.float32, torch.float64):
            torch.manual_seed(seed)
            model = WRONG[name]().to(dtype)
            data = torch.randn(12, 6, dtype=dtype), torch.randint(3, (12,))
            with pytest.raises(CurvatureError, match="the second derivative that torch gives is not"):
                ASKED[ask](et.Curvature(model, None, data))


def test_the_sentence_names_a_parameter_behind_the_operation() -> None:
    torch.manual_seed(0)
    model = Through(Detached)
    with pytest.raises(CurvatureError, match=r"most of all in a\.weight"):
        et.Curvature(model, None, (torch.randn(12, 6), torch.randint(3, (12,)))) @ torch.ones(53)


def test_one_layer_alone_is_checked_as_well() -> None:
    # The part of one layer is symmetric also where that operation lies behind it.
    torch.manual_seed(0)
    data = torch.randn(12, 6), torch.randint(3, (12,))
    for function in (Once, Detached):
        with pytest.raises(CurvatureError, match="is not the derivative of the gradient"):
            et.Curvature(Through(function), None, data, "a").trace(20)


def test_kinks_zeros_saturation_and_float32_inside_are_no_reason() -> None:
    class Coarse(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(6, 5), nn.Linear(5, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.b(torch.tanh(self.a(x)).float().to(self.b.weight.dtype)).float()

    torch.manual_seed(0)
    # Biases of zero and samples of zeros: rectifiers are at their kinks exactly.
    rectified = nn.Sequential(nn.Linear(6, 50), nn.ReLU(), nn.Linear(50, 50), nn.ReLU(), nn.Linear(50, 3))
    for layer in rectified:
        if isinstance(layer, nn.Linear):
            nn.init.zeros_(layer.bias)
    # Outputs so large that what is left of the loss in float32 is rounding.
    saturated = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
    with torch.no_grad():
        saturated[2].weight *= 60
    x = torch.randn(20, 6)
    cases = [
        (rectified, (torch.zeros(20, 6), torch.randint(3, (20,)))),
        (rectified, (x, torch.randint(3, (20,)))),
        (saturated, (x, saturated(x).argmax(dim=1))),
        (Coarse(), (x, torch.randint(3, (20,)))),
        (networks.build("resnet20", (3, 32, 32), 10), (torch.randn(8, 3, 32, 32), torch.randint(10, (8,)))),
    ]
    for model, data in cases:
        for kind in ("hessian", "gauss-newton"):
            operator = et.Curvature(model, None, data, kind=kind)
            assert torch.isfinite(operator @ torch.ones(operator.n)).all()


def test_the_check_changes_neither_weights_nor_random_numbers_and_counts_no_products() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 3))
    data = torch.randn(12, 6), torch.randint(3, (12,))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    operator = et.Curvature(model, F.cross_entropy, data)
    assert operator.plan.batches == 1 and operator.products == 0
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    values = torch.cat([value.flatten() for value in operator.problem.point.values])
    assert torch.equal(values, torch.cat([p.detach().flatten() for p in model.parameters()]))
