"""The parameters, velocities and buffers of many networks of one kind, each stacked into one tensor."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import nn


class Stack:
    """Networks of one kind whose tensors are rows of stacked ones, so that one operation updates all.

    The networks stay what they are: their parameters, buffers and velocities become views of the stacks, so whoever
    reads a network sees where its training is.

    Args:
        models: the networks [K], alike but for their numbers; they are changed in place.
        optimizers: the optimizer of each [K], whose velocities are taken over; of torch's SGD, for its settings.

    Attributes:
        names: the names of the parameters [P].
        values: the stacked parameters [P], each [K, ...].
        velocities: what momentum has gathered [P], each [K, ...]; empty without momentum.
        buffers: the stacked buffers by name, each [K, ...].
        template: a copy of one of the networks, whose numbers mean nothing.
    """

    def __init__(self, models: Sequence[nn.Module], optimizers: Sequence[torch.optim.Optimizer]):
        self.models = list(models)
        self.optimizers = list(optimizers)
        # Before its tensors are views: a copy of a view is one of the whole stack.
        self.template = copy.deepcopy(self.models[0])
        named = [dict(model.named_parameters()) for model in models]
        self.names = list(named[0])
        self.trained = [parameter.requires_grad for parameter in named[0].values()]
        self.momentum = float(self.optimizers[0].param_groups[0]["momentum"])
        self.values = [torch.stack([one[name].detach() for one in named]) for name in self.names]
        self.velocities = (
            [
                torch.stack([_velocity(o, one[name]) for o, one in zip(optimizers, named, strict=True)])
                for name in self.names
            ]
            if self.momentum
            else []
        )
        kept = [dict(model.named_buffers()) for model in models]
        self.buffers = {name: torch.stack([one[name] for one in kept]) for name in kept[0]}
        self._attach()

    def set_rates(self, rates: Sequence[float]) -> None:
        """Set the learning rates.

        Args:
            rates: of each network [K].
        """
        for optimizer, rate in zip(self.optimizers, rates, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = rate
        # Groups of parameters may decay differently.
        decays = [
            {id(p): float(group["weight_decay"]) for group in o.param_groups for p in group["params"]}
            for o in self.optimizers
        ]
        parameters = [list(model.parameters()) for model in self.models]
        self._rates = _alike([-rate for rate in rates])
        self._decays = [
            _alike([decays[k][id(parameters[k][i])] for k in range(len(rates))])
            for i in range(len(self.values))
        ]

    @torch.no_grad()
    def update(self, gradients: Sequence[torch.Tensor | None]) -> None:
        """Make a step of stochastic gradient descent, as torch's SGD does for each network.

        Args:
            gradients: of each parameter [P], each [K, ...]; None for one that the loss does not depend on. They are
                used up.
        """
        for i, gradient in enumerate(gradients):
            if gradient is None:
                continue
            value, moved = self.values[i], gradient
            _add(gradient, value, self._decays[i])
            if self.momentum:
                moved = self.velocities[i].mul_(self.momentum).add_(gradient)
            _add(value, moved, self._rates)

    def keep(self, kept: Sequence[int]) -> None:
        """Let go of all networks but some, which keep their state; rates must be set anew.

        Args:
            kept: their places, ascending.
        """
        places = torch.tensor(list(kept), dtype=torch.int64, device=self.values[0].device)
        self.models = [self.models[k] for k in kept]
        self.optimizers = [self.optimizers[k] for k in kept]
        self.values = [value[places] for value in self.values]
        self.velocities = [value[places] for value in self.velocities]
        self.buffers = {name: value[places] for name, value in self.buffers.items()}
        self._attach()

    def _attach(self) -> None:
        for k, (model, optimizer) in enumerate(zip(self.models, self.optimizers, strict=True)):
            named = dict(model.named_parameters())
            for i, name in enumerate(self.names):
                named[name].data = self.values[i][k]
                if self.velocities and self.trained[i]:
                    optimizer.state[named[name]]["momentum_buffer"] = self.velocities[i][k]
            for name, buffer in self.buffers.items():
                path, _, last = name.rpartition(".")
                model.get_submodule(path)._buffers[last] = buffer[k]


# A number, and the neighbouring networks that it is meant for.
_Share: TypeAlias = tuple[slice, float]


def _alike(numbers: Sequence[float]) -> list[_Share]:
    """Put neighbours of one number together; networks with 0 are left out."""
    found, first = [], 0
    for number, group in itertools.groupby(numbers):
        last = first + len(list(group))
        if number:
            found.append((slice(first, last), number))
        first = last
    return found


def _add(goal: torch.Tensor, what: torch.Tensor, shares: Sequence[_Share]) -> None:
    # One number at a time: a product with a tensor of numbers would round otherwise than torch's SGD does.
    for part, number in shares:
        if part.stop - part.start == len(goal):
            goal.add_(what, alpha=number)
        else:
            goal[part].add_(what[part], alpha=number)


def _velocity(optimizer: torch.optim.Optimizer, parameter: torch.Tensor) -> torch.Tensor:
    # torch begins with the first gradient itself, which is what zero times the momentum plus it gives.
    found = optimizer.state[parameter].get("momentum_buffer") if parameter in optimizer.state else None
    return torch.zeros_like(parameter) if found is None else found.to(parameter.dtype)
