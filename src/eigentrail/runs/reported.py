"""What a training loop tells its recorder: numbers, and which of several processes tells them."""

from __future__ import annotations

import os
from typing import Any

import torch

from eigentrail.errors import OptionError

_RESERVED = ("step", "epoch")


def number(name: str, value: Any) -> float:
    """Read a metric.

    Args:
        name: its name.
        value: a number, of Python, numpy or a tensor with one entry.

    Returns:
        The number, which may be NaN or infinite.

    Raises:
        OptionError: it is not one number, or the name is taken.
    """
    if name in _RESERVED or not name:
        raise OptionError(f'"{name}" cannot be the name of a metric: choose another')
    if isinstance(value, torch.Tensor):
        value = value.detach()
        if value.numel() != 1:
            raise OptionError(f"the metric {name} is a tensor of shape {tuple(value.shape)}: give one number")
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise OptionError(f"the metric {name} is a {type(value).__name__}: give one number") from error


def rank() -> int:
    """Name this process among those of a distributed training.

    Returns:
        Its rank; 0 where there is only one.
    """
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank()
    told = os.environ.get("RANK", "0")
    return int(told) if told.isdecimal() else 0
