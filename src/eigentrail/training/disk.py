"""How much disk trainings will take, told before they begin."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import nn

from eigentrail.data import Data
from eigentrail.errors import RunWarning
from eigentrail.runs.estimate import bytes_of, human
from eigentrail.runs.schedules import Every
from eigentrail.runs.selection import select_sources
from eigentrail.training.calendar import Calendar
from eigentrail.training.loop import STATES
from eigentrail.training.settings import TrainingSettings


def bytes_of_states(model: nn.Module, settings: TrainingSettings) -> int:
    """Estimate what the full states take that a training keeps besides what it records.

    Args:
        model: the network, in its precision.
        settings: the settings.

    Returns:
        The bytes: parameters, buffers and with momentum the velocities, at the start and at the ends of epochs.
    """
    parameters = sum(p.numel() * p.element_size() for p in model.parameters())
    buffers = sum(b.numel() * b.element_size() for b in model.buffers())
    each = parameters * (2 if settings.momentum else 1) + buffers
    between = max(1, settings.epochs // STATES)
    return (1 + -(-settings.epochs // between)) * each


def bytes_of_training(
    model: nn.Module,
    data: Data,
    settings: TrainingSettings,
    layers: str | Sequence[str] | Mapping[str, Every] | None = None,
    every: Every = 1,
) -> int:
    """Estimate what a training leaves on disk, before compression, which weights hardly allow.

    Args:
        model: the network, in its precision.
        data: the samples.
        settings: the settings.
        layers: which layers are recorded, as for `Recorder`.
        every: when, as for `Recorder`.

    Returns:
        The bytes.

    Raises:
        OptionError: a glob fits no layer.
    """
    steps = Calendar(settings, data.train_targets).steps
    by_steps, by_epochs = bytes_of(select_sources(model, layers, every), steps)
    return by_steps + settings.epochs * by_epochs + bytes_of_states(model, settings)


def say_disk(path: Path, count: int, nbytes: int) -> str:
    """Say what several trainings take, and warn where the disk is too small.

    Args:
        path: their folder, whether it is there or not.
        count: how many they are.
        nbytes: the bytes of all of them.

    Returns:
        One line for people.
    """
    there = next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.exists())
    free = shutil.disk_usage(there).free
    line = (
        f"recording {count} trainings to {path}: about {human(nbytes)} in all; {human(free)} of disk are free"
    )
    if nbytes > free:
        warnings.warn(
            f"{line}: {human(nbytes - free)} too few; record fewer layers or less often",
            RunWarning,
            stacklevel=3,
        )
    return line
