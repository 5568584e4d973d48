"""The sources' trainings by name, to be trained."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eigentrail import data as datasets
from eigentrail._names import look_up
from eigentrail.errors import OptionError
from eigentrail.runs import Run
from eigentrail.runs.schedules import Every
from eigentrail.training.ensemble import train_many
from eigentrail.training.ensemble_members import is_several
from eigentrail.training.ensemble_result import Ensemble
from eigentrail.training.entry import train
from eigentrail.training.preset import Preset
from eigentrail.training.resuming import keep_phases
from eigentrail.training.settings import TrainingSettings
from eigentrail.training.sources import PRESETS as SOURCES
from eigentrail.training.study_presets import STUDY_PRESETS

#: The sources' trainings, and those of studies of several trainings.
PRESETS: dict[str, Preset] = {**SOURCES, **STUDY_PRESETS}

# What may be given as several values.
_GRIDS = ("lr", "weight_decay")

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
    data: Any = None,
    *,
    layers: str | Sequence[str] | Mapping[str, Every] | None = None,
    full: bool = True,
    epochs: int | None = None,
    seed: int | None = None,
    notes: Mapping[str, Any] | None = None,
    **arguments: Any,
) -> Run | Ensemble:
    """Train as a preset says; or many at once, for several seeds or settings.

    Args:
        name: one of `names()`.
        path: the run's folder.
        data: all that `train` takes: a data set's name, a folder, an import path, a `Data`, a pair of tensors, a torch
            Dataset, or a pair (train, test) of either; None for the preset's own.
        layers: which layers to record; None for what the preset records.
        full: True for the source's size, False for one that two cores carry in minutes.
        epochs: how many; None for the preset's. Phases of classes begin at the same share of them; with `resume=True`
            where the run in the folder begins them.
        seed: of the initial weights and of the order of the samples; None for 0. Which samples the size of two cores
            takes does not depend on it.
        notes: what else the run shall keep, as plain data.
        arguments: all else that `train` takes: `seeds=range(20)`, `lr=[0.1, 0.01]` or `weight_decay=...` for many at
            once, `resume=True`, `overwrite=True`, `every`, `progress`, and settings to take instead of the preset's:
            `momentum=0.9`, `device="cuda"`; None leaves one as it is.

    Returns:
        The run, or the ensemble; notes hold the preset's name, source and choices.

    Raises:
        OptionError: there is no such preset, or arguments contradict each other.
    """
    chosen = preset(name)
    whole, folder = None, None
    if data is None or isinstance(data, (str, os.PathLike)):
        which, folder = datasets.resolve(data, chosen.data)
    else:
        whole = datasets.as_data(data)
        which = whole.name
    fixed = {
        key: arguments.pop(key)
        for key in [*arguments]
        if key in TrainingSettings.model_fields and not (key in _GRIDS and is_several(arguments[key]))
    }
    if seed is not None and arguments.get("seeds") is not None:
        raise OptionError("seed and seeds are both given: put the seed among the seeds")
    settings = chosen.settings_asked(chosen.settings_for(which, full), epochs)
    if arguments.get("resume"):
        settings = keep_phases(Path(path), settings)
    settings = settings.changed(seed=seed, **fixed)
    samples = chosen.samples_for(datasets.load(which, folder) if whole is None else whole, full)

    def told(used: TrainingSettings) -> dict[str, Any]:
        return {
            **(notes or {}),
            "preset": chosen.name,
            "source": chosen.source,
            "chosen": list(chosen.choices(full, used, which, samples)),
        }

    recorded = chosen.layers_for(which, full) if layers is None else layers
    if arguments.get("seeds") is not None or any(is_several(arguments.get(name)) for name in _GRIDS):
        return train_many(
            chosen.network_for(full), samples, path, settings, layers=recorded, notes=told, **arguments
        )
    run: Run = train(
        chosen.network_for(full), samples, path, settings, layers=recorded, notes=told(settings), **arguments
    )
    return run
