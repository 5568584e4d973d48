"""The optimizer of a training."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from eigentrail.errors import OptionError
from eigentrail.training.settings import TrainingSettings


def make_optimizer(model: nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    """Make torch's optimizer for a network.

    Args:
        model: the network.
        settings: the settings.

    Returns:
        The optimizer; with `decay_on="dense"` the parameters of `nn.Linear` layers are its first group and all
        others, without weight decay, its second.

    Raises:
        OptionError: only dense layers shall decay and there is none.
    """
    decay = settings.weight_decay
    if settings.decay_on == "all":
        return _of([{"params": list(model.parameters()), "weight_decay": decay}], settings)
    dense = {
        id(parameter)
        for layer in model.modules()
        if isinstance(layer, nn.Linear)
        for parameter in layer.parameters(recurse=False)
    }
    if not dense:
        raise OptionError('decay_on="dense": the network has no dense layer (nn.Linear); take decay_on="all"')
    first = [parameter for parameter in model.parameters() if id(parameter) in dense]
    rest = [parameter for parameter in model.parameters() if id(parameter) not in dense]
    groups = [{"params": first, "weight_decay": decay}]
    if rest:
        groups.append({"params": rest, "weight_decay": 0.0})
    return _of(groups, settings)


def _of(groups: list[dict[str, Any]], settings: TrainingSettings) -> torch.optim.Optimizer:
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=settings.lr)
    return torch.optim.SGD(groups, lr=settings.lr, momentum=settings.momentum)
