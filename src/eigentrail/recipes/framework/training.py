"""Train as a recipe says, into a folder of one's own: once, or for several seeds and settings."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eigentrail import data as datasets
from eigentrail.errors import OptionError
from eigentrail.recipes.framework.registry import find_recipe
from eigentrail.recipes.framework.running import NOTE
from eigentrail.recipes.framework.study import study_of
from eigentrail.runs import Run
from eigentrail.runs.schedules import Every
from eigentrail.training import Ensemble, TrainingSettings, train, train_many
from eigentrail.training.ensemble_members import is_several
from eigentrail.training.resuming import keep_phases

# What may be given as several values.
_GRIDS = ("lr", "weight_decay")


def train_recipe(
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
    """Train the network of a recipe; or many at once, for several seeds or settings.

    Args:
        name: one of `recipes.names()`.
        path: the run's folder.
        data: all that `train` takes: a data set's name, a folder, an import path, a `Data`, a pair of tensors, a torch
            Dataset, or a pair (train, test) of either; None for the recipe's own.
        layers: which layers to record; None for what the recipe records.
        full: True for the source's settings, False for those that two cores carry in minutes.
        epochs: how many; None for the recipe's. Phases of classes begin at the same share of them; with `resume=True`
            where the run in the folder begins them.
        seed: of the initial weights and of the order of the samples; None for 0. Which samples the size of two cores
            takes does not depend on it.
        notes: what else the run shall keep, as plain data.
        arguments: all else that `train` takes: `seeds=range(20)`, `lr=[0.1, 0.01]` or `weight_decay=...` for many at
            once, `resume=True`, `overwrite=True`, `every`, `progress`, and settings to take instead of the recipe's:
            `momentum=0.9`, `device="cuda"`; None leaves one as it is.

    Returns:
        The run, or the ensemble; notes hold the recipe's name, source and choices.

    Raises:
        OptionError: there is no such recipe, it trains no network of its own, or arguments contradict each other.
    """
    recipe = find_recipe(name)
    study = study_of(recipe)
    preset = study.preset
    whole, folder = None, None
    if data is None or isinstance(data, (str, os.PathLike)):
        which, folder = datasets.resolve(data, recipe.data)
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
    settings = study.settings(which, full, epochs)
    if arguments.get("resume"):
        settings = keep_phases(Path(path), settings)
    settings = settings.changed(seed=seed, **fixed)
    samples = preset.samples_for(datasets.load(which, folder) if whole is None else whole, full)

    def told(used: TrainingSettings) -> dict[str, Any]:
        return {
            **(notes or {}),
            NOTE: recipe.name,
            "source": recipe.source,
            "chosen": list(preset.choices(full, used, which, recipe.source_data, samples)),
        }

    recorded = preset.layers_for(which, full) if layers is None else layers
    network = preset.network_for(recipe.network, full)
    if arguments.get("seeds") is not None or any(is_several(arguments.get(name)) for name in _GRIDS):
        return train_many(network, samples, path, settings, layers=recorded, notes=told, **arguments)
    run: Run = train(network, samples, path, settings, layers=recorded, notes=told(settings), **arguments)
    return run
