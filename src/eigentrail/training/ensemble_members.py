"""Which trainings an ensemble consists of: seeds times learning rates times weight decays."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from eigentrail.errors import OptionError
from eigentrail.training.settings import TrainingSettings


@dataclass(frozen=True)
class Member:
    """One training of an ensemble.

    Attributes:
        name: the name of its run's folder: "seed3", or "lr0.1-decay0.001-seed3" of a grid.
        settings: its settings.
        notes: what else its run keeps, as plain data.
    """

    name: str
    settings: TrainingSettings
    notes: Mapping[str, Any] | None = None


def is_several(value: Any) -> bool:
    """Tell whether a setting is given as several values.

    Args:
        value: a number, or a sequence or array of numbers.

    Returns:
        True for anything but one number.
    """
    if isinstance(value, (np.ndarray, torch.Tensor)):
        return value.ndim > 0
    return isinstance(value, Iterable)


def plan_members(
    settings: TrainingSettings,
    seeds: Iterable[int] | None = None,
    lr: float | Sequence[float] | None = None,
    weight_decay: float | Sequence[float] | None = None,
) -> list[Member]:
    """List the trainings of a grid: every learning rate with every weight decay with every seed.

    Args:
        settings: what all of them share.
        seeds: the seeds; None for that of the settings.
        lr: a learning rate, several, or None for that of the settings. A number in single precision stands for the
            shortest decimal number that rounds to it.
        weight_decay: a weight decay, several, or None for that of the settings.

    Returns:
        The members; the seed changes fastest, then the weight decay. A folder's name tells what is given as several
        values, and the seed.

    Raises:
        OptionError: there is no value, one is given twice, or one is outside what it may be.
    """
    chosen_seeds = [settings.seed] if seeds is None else _several("seeds", seeds, _whole)
    grids = {}
    for name, given in (("lr", lr), ("weight_decay", weight_decay)):
        if is_several(given):
            grids[name] = _several(name, given, _number)
        elif given is not None:
            settings = settings.changed(**{name: given})
    members = []
    for *values, seed in itertools.product(*grids.values(), chosen_seeds):
        changes = dict(zip(grids, values, strict=True))
        told = [f"{'decay' if key == 'weight_decay' else key}{value!r}" for key, value in changes.items()]
        members.append(Member("-".join([*told, f"seed{seed}"]), settings.changed(seed=seed, **changes)))
    return members


def _several(name: str, given: Any, read: Any) -> list[Any]:
    if isinstance(given, (str, bytes)) or not is_several(given):
        such = f"range({given})" if read is _whole and isinstance(given, int) else f"[{given}]"
        raise OptionError(f"{name}={given!r}: give several values, such as {name}={such}")
    values = [read(name, value) for value in given]
    if not values:
        raise OptionError(f"{name} is empty: give at least one value")
    twice = [value for i, value in enumerate(values) if value in values[:i]]
    if twice:
        raise OptionError(f"{name} holds {twice[0]} twice: each member is a run of its own, give it once")
    return values


def _whole(name: str, value: Any) -> int:
    try:
        if isinstance(value, bool):
            raise TypeError
        return operator.index(value)
    except TypeError:
        raise OptionError(f"{name} holds {value!r}: seeds are whole numbers") from None


def _number(name: str, value: Any) -> float:
    if isinstance(value, torch.Tensor) and value.dtype in (torch.float16, torch.float32):
        value = value.detach().cpu().numpy()[()]
    if isinstance(value, (np.float16, np.float32)):
        # The decimal number that was meant: 0.001, not 0.0010000000474974513.
        value = str(value)
    try:
        return float(value)
    except (TypeError, ValueError):
        raise OptionError(f"{name} holds {value!r}: give numbers") from None
