"""How much a change of the weights costs an old task, predicted from where it was learned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from eigentrail.errors import LayerError


@dataclass(frozen=True)
class Forgetting:
    """What a change does to the loss of an old task.

    Attributes:
        slope: g . d, with the gradient g of the old task where it was learned and the change d.
        curvature: d . H d / 2, with its Hessian H there.
        measured: the loss after the change minus that before.
    """

    slope: float
    curvature: float
    measured: float

    @property
    def predicted(self) -> float:
        """What the quadratic model says: slope + curvature."""
        return self.slope + self.curvature


def forgetting(
    model: nn.Module,
    loss: Callable[[Tensor, Tensor], Tensor],
    data: tuple[Tensor, Tensor],
    change: Mapping[str, Tensor],
    batch: int = 1000,
) -> Forgetting:
    """Predict and measure what a change of some weights costs.

    Args:
        model: the network with the weights that the old task ended with; they stay as they are.
        loss: loss(outputs, targets), a mean over samples.
        data: inputs and targets of the old task.
        change: {parameter: w_after - w_before}.
        batch: samples at once.

    Returns:
        The two terms of the quadratic model (one product with the Hessian), and what the change really did.

    Raises:
        LayerError: the network has no such parameter of that shape.
    """
    named = dict(model.named_parameters())
    for name, moved in change.items():
        if name not in named or named[name].shape != moved.shape:
            raise LayerError(f"the network has no parameter `{name}` of shape {list(moved.shape)}.")
    before = {name: named[name].detach().clone().requires_grad_() for name in change}
    after = {name: value.detach() + change[name] for name, value in before.items()}
    fixed = {name: value.detach() for name, value in named.items() if name not in change}
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    slope = curvature = measured = 0.0
    try:
        for x, y in zip(torch.split(data[0], batch), torch.split(data[1], batch), strict=True):
            share = len(x) / len(data[0])
            value = loss(functional_call(model, {**fixed, **before}, (x,)), y)
            gradients = torch.autograd.grad(value, list(before.values()), create_graph=True)
            along = torch.stack(
                [(g * change[name]).sum() for g, name in zip(gradients, before, strict=True)]
            ).sum()
            # A loss that is linear in these weights has no second derivative.
            products = (
                torch.autograd.grad(along, list(before.values()), allow_unused=True)
                if along.requires_grad
                else [None] * len(before)
            )
            slope += share * float(along.detach())
            curvature += share * sum(
                0.5 * float((product * change[name]).sum())
                for product, name in zip(products, before, strict=True)
                if product is not None
            )
            with torch.no_grad():
                moved = loss(functional_call(model, {**fixed, **after}, (x,)), y)
            measured += share * (float(moved) - float(value.detach()))
    finally:
        for module, training in modes:
            module.training = training
    return Forgetting(slope, curvature, measured)
