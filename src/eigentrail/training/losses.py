"""The losses that a training may lower, each a mean over samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import torch
from torch import nn
from torch.nn import functional as F

from eigentrail.runs import Run

#: The names of losses.
LossName: TypeAlias = Literal["cross-entropy", "squared-error"]
Loss: TypeAlias = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def loss_of(name: str) -> Loss:
    """Find a loss.

    Args:
        name: "cross-entropy", or "squared-error", ||f(x) - y||^2 / 2 with y the class in one-hot form (S3).

    Returns:
        A function of outputs [batch, classes] and classes [batch] that gives the mean over the batch; of [batch,
        classes, positions] and [batch, positions] that over all positions.
    """
    return F.cross_entropy if name == "cross-entropy" else _mean_squared_error


def name_of_loss(run: Run) -> str:
    """Find the name of the loss that a recorded training lowered.

    Args:
        run: the run, with the loss that its user gave, where there is one.

    Returns:
        The name, of a loss of one's own that of the function or class; that of the cross-entropy where the run does not
        tell.
    """
    given = run.given.loss
    if given is None:
        return str(run.settings.get("loss", "cross-entropy"))
    if given is F.cross_entropy or _is_plain_cross_entropy(given):
        return "cross-entropy"
    return given if isinstance(given, str) else str(getattr(given, "__name__", type(given).__name__))


def _is_plain_cross_entropy(loss: Any) -> bool:
    return (
        type(loss) is nn.CrossEntropyLoss
        and repr(loss) == repr(nn.CrossEntropyLoss())
        and loss.weight is None
    )


def losses_of(name: str) -> Loss:
    """Find a loss, not yet averaged.

    Args:
        name: as for `loss_of`.

    Returns:
        A function of outputs [batch, classes, ...] and classes [batch, ...] that gives the loss of each, [batch, ...].
    """
    return _cross_entropies if name == "cross-entropy" else _squared_errors


def loss_trained_with(run: Run) -> Loss | None:
    """Find the loss that a recorded training lowered.

    Args:
        run: the run, with the loss that its user gave, where there is one.

    Returns:
        The loss; None for the cross-entropy, and where the run does not tell.
    """
    name = name_of_loss(run)
    if name != "cross-entropy" and callable(run.given.loss):
        return run.given.loss
    return None if name == "cross-entropy" else loss_of(name)


def _cross_entropies(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(outputs, targets, reduction="none")


def _squared_errors(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    wanted = F.one_hot(targets, outputs.shape[1]).movedim(-1, 1).to(outputs.dtype)
    return (outputs - wanted).square().sum(1) / 2


def _mean_squared_error(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return _squared_errors(outputs, targets).mean()
