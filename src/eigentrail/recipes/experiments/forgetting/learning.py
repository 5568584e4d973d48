"""Learning one task by plain gradient descent, with whatever holds the weights back."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol

import torch
from torch import nn
from torch.nn import functional as F

from eigentrail.recipes.experiments.forgetting.tasks import Samples


class Attached(Protocol):
    """What acts in, or watches, every step of an optimizer."""

    def attach(self, optimizer: torch.optim.Optimizer) -> Callable[[], None]:
        """Begin; the function that is given ends it."""


def learn(
    model: nn.Module,
    samples: Samples,
    trained: Collection[str],
    *,
    rate: float,
    epochs: int,
    batch: int,
    seed: int,
    held: Attached | None = None,
    see: Callable[[int], bool] | None = None,
) -> None:
    """Train some parameters of a network in place.

    Args:
        model: the network; left in eval mode.
        samples: inputs and class numbers.
        trained: names of the parameters that are trained.
        rate: of plain stochastic gradient descent.
        epochs: how often all samples are seen.
        batch: samples of a step.
        seed: of their order.
        held: an anchor, or what watches the steps.
        see: called after each epoch with its number from 1 on; True ends the training.
    """
    named = dict(model.named_parameters())
    for name, parameter in named.items():
        parameter.requires_grad_(name in trained)
    optimizer = torch.optim.SGD([named[name] for name in named if name in trained], lr=rate)
    generator = torch.Generator().manual_seed(seed)
    detach = held.attach(optimizer) if held is not None else None
    try:
        for epoch in range(1, epochs + 1):
            model.train()
            for places in torch.split(torch.randperm(len(samples[0]), generator=generator), batch):
                optimizer.zero_grad()
                F.cross_entropy(model(samples[0][places]), samples[1][places]).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
            model.eval()
            if see is not None and see(epoch):
                break
    finally:
        if detach is not None:
            detach()
        model.eval()
        for parameter in named.values():
            parameter.requires_grad_(True)


@torch.no_grad()
def accuracy(model: nn.Module, samples: Samples, batch: int = 2000) -> float:
    """Evaluate with all outputs, in eval mode.

    Args:
        model: the network.
        samples: inputs and class numbers.
        batch: samples at once.

    Returns:
        The share that is right.
    """
    parts = zip(torch.split(samples[0], batch), torch.split(samples[1], batch), strict=True)
    return sum(int((model(x).argmax(1) == y).sum()) for x, y in parts) / len(samples[0])


@torch.no_grad()
def features_before(
    model: nn.Module, layer: nn.Module, inputs: torch.Tensor, batch: int = 2000
) -> torch.Tensor:
    """Compute what a layer is given; where only the layer is trained this has to be done just once.

    Args:
        model: the network, in eval mode.
        layer: one of its modules.
        inputs: samples.
        batch: samples at once.

    Returns:
        The layer's inputs.
    """
    found: list[torch.Tensor] = []
    hook = layer.register_forward_pre_hook(lambda _, given: found.append(given[0].detach()))
    try:
        for part in torch.split(inputs, batch):
            model(part)
    finally:
        hook.remove()
    return torch.cat(found)
