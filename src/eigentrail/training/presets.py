"""The sources' trainings by name, to be trained."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from eigentrail import data as datasets
from eigentrail._names import look_up
from eigentrail.errors import OptionError
from eigentrail.runs import Run
from eigentrail.runs.schedules import Every
from eigentrail.training.entry import train
from eigentrail.training.preset import Preset
from eigentrail.training.sources import PRESETS

__all__ = ["PRESETS", "Preset", "names", "preset", "train_preset"]


def names() -> tuple[str, ...]:
    """List the presets.

    Returns:
        Their names, for `preset` and `train_preset`.
    """
    return tuple(PRESETS)


def preset(name: str) -> Preset:
    """Find a preset.

    Args:
        name: one of `names()`, in any spelling.

    Returns:
        The preset.

    Raises:
        OptionError: there is none of that name; the nearest ones are offered.
    """
    return PRESETS[look_up(name, PRESETS, "preset", OptionError)]


def train_preset(
    name: str,
    path: str | os.PathLike[str],
    data: str | os.PathLike[str] | None = None,
    *,
    layers: str | Sequence[str] | Mapping[str, Every] | None = None,
    every: Every = 1,
    resume: bool = False,
    overwrite: bool = False,
    full: bool = True,
    progress: bool | None = None,
    **changes: Any,
) -> Run:
    """Train as a preset says.

    Args:
        name: one of `names()`.
        path: the run's folder.
        data: a data set's name or a folder (`--data NAME|PATH`); None for the preset's own.
        layers: which layers to record; None for what the preset records.
        every: when to record them, where `layers` is given without it.
        resume: True to go on with the training in the folder, or to begin it where there is none.
        overwrite: True to replace the run in the folder.
        full: True for the source's size, False for one that two cores carry in minutes.
        progress: True for a bar or lines on stderr, False for nothing, None for a bar where stderr is a terminal.
        changes: settings to take instead of the preset's: `epochs=20, seed=1`; None leaves one as it is.

    Returns:
        The run; its notes hold the preset's name, source and choices.
    """
    chosen = preset(name)
    which, folder = datasets.resolve(data, chosen.data)
    settings = chosen.settings_for(which, full).changed(**changes)
    return train(
        chosen.network_for(full),
        chosen.samples_for(datasets.load(which, folder), full, settings.seed),
        path,
        settings,
        layers=chosen.layers_for(which, full) if layers is None else layers,
        every=every,
        resume=resume,
        overwrite=overwrite,
        notes={"preset": chosen.name, "source": chosen.source, "chosen": list(chosen.choices(full))},
        progress=progress,
    )
