"""Carry a study out: train, or go on with an interrupted training."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from eigentrail import data as datasets
from eigentrail.errors import RunError
from eigentrail.recipes.framework.recipe import Recipe
from eigentrail.recipes.framework.study import study_of
from eigentrail.runs import Manifest, Run, open_run
from eigentrail.runs.manifest import FILE
from eigentrail.training import train

PAGE = "report.html"
NOTE = "study"


def run_study(
    recipe: Recipe,
    path: str | os.PathLike[str] | None = None,
    data: str | os.PathLike[str] | None = None,
    *,
    epochs: int | None = None,
    seed: int = 0,
    full: bool = False,
    device: str = "cpu",
    log_to: Any = None,
    progress: bool | None = None,
) -> Run:
    """Train as a recipe says, recorded.

    A folder with an interrupted run of the same study is gone on with, and so is a finished one when more epochs are
    asked for or its page is still missing.

    Args:
        recipe: which.
        path: the run's folder; None for `runs/STUDY-DATA-sSEED`.
        data: a data set's name or a folder; None for the study's own.
        epochs: how many; None for the study's.
        seed: of the initial weights and the order of the samples.
        full: True for the source's own data and size, False for a size that two cores carry.
        device: where to train: "cpu", "cuda", "cuda:1", or "auto" for a GPU where there is one.
        log_to: what shows norms, ranks, spikes and phases of the weights as it trains, see `Recorder.log_to`.
        progress: True for a bar or lines on stderr, False for nothing, None for a bar where stderr is a terminal.

    Returns:
        The finished run.

    Raises:
        RunError: the folder holds a finished study with its page, or something else.
    """
    study = study_of(recipe)
    preset = study.preset
    which, source = datasets.resolve(data, recipe.source_data if full else recipe.data)
    settings = study.settings(which, full, epochs).changed(seed=seed, device=device)
    folder = Path(path) if path is not None else default_folder(recipe.name, which, settings.seed, full)
    _refuse_finished(folder, settings.epochs)
    loaded = preset.samples_for(datasets.load(which, source), full)
    return train(
        preset.network_for(recipe.network, full),
        loaded,
        folder,
        settings,
        layers=preset.layers_for(which, full),
        resume=True,
        notes={
            NOTE: recipe.name,
            "source": recipe.source,
            "chosen": study.choices(which, recipe.source_data, full, settings, loaded),
        },
        log_to=log_to,
        progress=progress,
    )


def default_folder(study: str, data: str, seed: int, full: bool = False) -> Path:
    """Name the folder of a study.

    Args:
        study: its name.
        data: the data set's.
        seed: the seed.
        full: whether it has the source's own size.

    Returns:
        A folder below `runs` in the working directory.
    """
    return Path("runs") / f"{study}-{data}{'-full' if full else ''}-s{seed}"


def _refuse_finished(folder: Path, epochs: int) -> None:
    if not (folder / FILE).is_file():
        return
    found = Manifest.read(folder)
    if found.status != "finished" or not (folder / PAGE).is_file():
        return
    done = open_run(folder).metrics["epoch"].values[-1]
    if epochs <= done:
        raise RunError(
            f"{folder} holds a finished run of {done:g} epochs with its page {PAGE}: give --epochs more than that to "
            "go on with it, or another folder with --out to begin anew"
        )
