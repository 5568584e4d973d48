"""Synaptic intelligence: entries are protected by how much they lowered the loss on their way (Zenke et al. 2017)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from eigentrail.interventions.anchors.protected import Importance
from eigentrail.interventions.anchors.spectral_anchor import Anchor


class SynapticIntelligence:
    """Adds up, over the steps of a training, what each entry's motion did to the loss.

    Args:
        model: the network before the task.
        damping: xi, which keeps entries that hardly moved from counting without bound.
    """

    def __init__(self, model: nn.Module, damping: float = 0.1) -> None:
        self.damping = damping
        self._model = model
        self._parameters = dict(model.named_parameters())
        self._start = {name: p.detach().clone() for name, p in self._parameters.items()}
        self._work = {name: torch.zeros_like(p) for name, p in self._parameters.items()}

    def attach(self, optimizer: torch.optim.Optimizer) -> Callable[[], None]:
        """Watch every step of an optimizer from now on.

        Args:
            optimizer: any optimizer of torch's interface.

        Returns:
            A function that stops watching.
        """
        before: dict[str, tuple[Tensor, Tensor]] = {}

        def pre(*_: Any) -> None:
            before.clear()
            for name, p in self._parameters.items():
                if p.grad is not None:
                    before[name] = (p.detach().clone(), p.grad.detach().clone())

        def post(*_: Any) -> None:
            for name, (old, gradient) in before.items():
                self._work[name] -= gradient * (self._parameters[name].detach() - old)

        handles = [optimizer.register_step_pre_hook(pre), optimizer.register_step_post_hook(post)]

        def detach() -> None:
            for handle in handles:
                handle.remove()

        return detach

    def add(self, work: Mapping[str, Tensor]) -> None:
        """Add what was summed up elsewhere, where no optimizer of torch makes the steps.

        Args:
            work: {parameter: the sum over steps of -gradient * motion}.
        """
        for name, one in work.items():
            self._work[name] += one

    def anchor(self, **options: Any) -> Anchor:
        """Make the anchor at the end of the task.

        Args:
            options: `form`, `strength`, `gamma` (see `Anchor`).

        Returns:
            An anchor with h = work / (distance^2 + xi) for each entry; entries that raised the loss are free.
        """
        protected = []
        for name, parameter in self._parameters.items():
            distance = parameter.detach() - self._start[name]
            protected.append(
                Importance(name, (self._work[name] / (distance.square() + self.damping)).clamp(min=0.0))
            )
        return Anchor(self._model, protected, **options)
