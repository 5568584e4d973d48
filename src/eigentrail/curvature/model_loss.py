"""A loss that calls the network itself: contrastive, physics-informed, variational, from several passes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.func import functional_call

from eigentrail.errors import CurvatureError


class ModelLoss:
    """Say that a loss takes the network and a batch, loss(model, batch), in place of outputs and targets.

    The batch is as the data has it: a pair (inputs, targets) or a dict. What the loss does with the network's
    parameters is differentiated, however often it calls it. It has to be a mean over the samples of the batch, unless
    the curvature is told otherwise with `weights`: of a loss in which samples meet (contrastive), "batches".

    Args:
        function: loss(model, batch), a scalar.

    Raises:
        CurvatureError: it cannot be called.
    """

    def __init__(self, function: Callable[[nn.Module, Any], torch.Tensor]) -> None:
        if not callable(function):
            raise CurvatureError(
                f"the loss is {type(function).__name__}: give a function loss(model, batch)."
            )
        self.function = function
        self.__name__ = str(getattr(function, "__name__", type(function).__name__))

    def __call__(self, model: nn.Module, batch: Any) -> torch.Tensor:
        """Compute the loss of a batch."""
        return self.function(model, batch)


class Calling(nn.Module):
    """A network within its loss, so that its values can be replaced in a call of the loss.

    Args:
        model: the network.
        loss: the loss.
    """

    def __init__(self, model: nn.Module, loss: ModelLoss) -> None:
        super().__init__()
        self.model = model
        self._loss = loss

    def forward(self, batch: Any) -> torch.Tensor:
        """Compute the loss of a batch."""
        return self._loss(self.model, batch)


def call(
    model: nn.Module, loss: ModelLoss, values: Mapping[str, torch.Tensor], inputs: Any, targets: Any
) -> torch.Tensor:
    """Compute a loss at other values of the network's parameters and buffers.

    Args:
        model: the network.
        loss: the loss.
        values: by their names in the network.
        inputs: of the batch.
        targets: of the batch; None where the inputs are all of it.

    Returns:
        What the loss gives.
    """
    batch = inputs if targets is None or targets is inputs else (inputs, targets)
    named = {f"model.{name}": value for name, value in values.items()}
    return functional_call(Calling(model, loss), named, (batch,))  # type: ignore[no-any-return]
