"""The optimizer of a training."""

from __future__ import annotations

import torch
from torch import nn

from eigentrail.errors import OptionError
from eigentrail.training.settings import TrainingSettings


def make_optimizer(model: nn.Module, settings: TrainingSettings) -> torch.optim.SGD:
    """Make torch's stochastic gradient descent for a network.

    Args:
        model: the network.
        settings: the settings.

    Returns:
        The optimizer; with `decay_on="dense"` the parameters of `nn.Linear` layers are its first group and all
        others, without weight decay, its second.

    Raises:
        OptionError: only dense layers shall decay and there is none.
    """
    momentum, decay = settings.momentum, settings.weight_decay
    if settings.decay_on == "all":
        return torch.optim.SGD(model.parameters(), lr=settings.lr, momentum=momentum, weight_decay=decay)
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
    return torch.optim.SGD(groups, lr=settings.lr, momentum=momentum)
