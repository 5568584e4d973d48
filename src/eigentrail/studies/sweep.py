"""A study of several trainings that differ in one setting."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from eigentrail import data as datasets
from eigentrail._progress import shown
from eigentrail.runs import Run
from eigentrail.studies.running import NOTE, default_folder
from eigentrail.studies.study import Study
from eigentrail.training import train
from eigentrail.trajectories import evolution_table


@dataclass(frozen=True, kw_only=True)
class Sweep(Study):
    """Several trainings of a preset, one for each value of a setting.

    Attributes:
        setting: the setting that differs.
        values: its values.
        studied: the layer that they are compared in.
    """

    setting: str
    values: tuple[Any, ...]
    studied: str


def run_sweep(
    sweep: Sweep,
    path: str | os.PathLike[str] | None = None,
    data: str | os.PathLike[str] | None = None,
    *,
    epochs: int | None = None,
    seed: int = 0,
    full: bool = False,
    device: str = "cpu",
    progress: bool | None = None,
) -> tuple[Path, list[Run]]:
    """Train once for each value, recorded, each into a folder of its own; what is there already is kept.

    Args:
        sweep: which.
        path: the folder for the runs' folders; None for `runs/STUDY-DATA-sSEED`.
        data: a data set's name or a folder; None for the study's own.
        epochs: how many; None for the study's.
        seed: of the initial weights, the order and the choice of the samples, the same for all.
        full: True for the source's own size, False for one that two cores carry.
        device: where to train: "cpu", "cuda", "cuda:1", or "auto" for a GPU where there is one.
        progress: True for lines on stderr, False for nothing, None for a bar where stderr is a terminal.

    Returns:
        The folder and the finished runs, in the order of the values.
    """
    preset = sweep.training
    which, source = datasets.resolve(data, preset.source_data if full else preset.data)
    folder = Path(path) if path is not None else default_folder(sweep.name, which, seed, full)
    samples = preset.samples_for(datasets.load(which, source), full, seed)
    runs = []
    with shown(sweep.name, progress) as tell:
        for place, value in enumerate(sweep.values):
            tell(f"{sweep.setting} {value}", place, len(sweep.values))
            settings = sweep.settings(which, full).changed(
                epochs=epochs, seed=seed, device=device, **{sweep.setting: value}
            )
            runs.append(
                train(
                    preset.network_for(full),
                    samples,
                    folder / f"{sweep.setting.replace('_', '-')}-{value}",
                    settings,
                    layers=preset.layers_for(which, full),
                    resume=True,
                    notes={
                        NOTE: sweep.name,
                        "preset": preset.name,
                        "source": preset.source,
                        "chosen": sweep.choices(which, full),
                    },
                    progress=False,
                )
            )
        tell("trained", len(sweep.values), len(sweep.values))
    return folder, runs


def compare_runs(sweep: Sweep, runs: list[Run], results: list[Mapping[str, xr.DataTree]]) -> pd.DataFrame:
    """Put the ends of the trainings side by side.

    Args:
        sweep: the study.
        runs: its runs.
        results: the analyses of each, with "evolution".

    Returns:
        A row for each run: the setting, `steps`, `train_accuracy`, `test_accuracy`, `gap` (their difference), and of
        the studied layer at the end `spikes`, `alpha`, `effective_rank` and `phase`.
    """
    rows = []
    for run, result in zip(runs, results, strict=True):
        metrics = run.metrics
        train_accuracy, test_accuracy = (
            float(metrics[name].dropna("step")[-1]) for name in ("train_accuracy", "test_accuracy")
        )
        table = evolution_table(result["evolution"]).set_index("name").loc[sweep.studied]
        rows.append({
            sweep.setting: run.manifest.notes["training"][sweep.setting] if run.manifest else None,
            "steps": int(run.steps[-1]),
            "train_accuracy": train_accuracy,
            "test_accuracy": test_accuracy,
            "gap": train_accuracy - test_accuracy,
            "spikes": table["spikes_last"],
            "alpha": table["alpha_last"],
            "effective_rank": table["effective_rank_last"],
            "phase": table["phase_last"],
        })  # fmt: skip
    return pd.DataFrame(rows)
