"""The losses that a training may lower, each a mean over samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import torch
from torch.nn import functional as F

#: The names of losses.
LossName: TypeAlias = Literal["cross-entropy", "squared-error"]
Loss: TypeAlias = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def loss_of(name: str) -> Loss:
    """Find a loss.

    Args:
        name: "cross-entropy", or "squared-error", ||f(x) - y||^2 / 2 with y the class in one-hot form (S3).

    Returns:
        A function of outputs [batch, classes] and classes [batch] that gives the mean over the batch.
    """
    return F.cross_entropy if name == "cross-entropy" else _mean_squared_error


def name_of_loss(notes: Mapping[str, Any]) -> str:
    """Find the name of the loss that a recorded training lowered.

    Args:
        notes: of the run's manifest.

    Returns:
        The name; that of the cross-entropy where the run does not tell.
    """
    settings = notes.get("training")
    return str(settings.get("loss", "cross-entropy")) if isinstance(settings, Mapping) else "cross-entropy"


def losses_of(name: str) -> Loss:
    """Find a loss, not yet averaged.

    Args:
        name: as for `loss_of`.

    Returns:
        A function of outputs [batch, classes] and classes [batch] that gives the loss of each sample, [batch].
    """
    return _cross_entropies if name == "cross-entropy" else _squared_errors


def loss_trained_with(notes: Mapping[str, Any]) -> Loss | None:
    """Find the loss that a recorded training lowered.

    Args:
        notes: of the run's manifest.

    Returns:
        The loss; None for the cross-entropy, and where the run does not tell.
    """
    name = name_of_loss(notes)
    return None if name == "cross-entropy" else loss_of(name)


def _cross_entropies(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(outputs, targets, reduction="none")


def _squared_errors(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    wanted = F.one_hot(targets, outputs.shape[1]).to(outputs.dtype)
    return (outputs - wanted).square().sum(1) / 2


def _mean_squared_error(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return _squared_errors(outputs, targets).mean()
