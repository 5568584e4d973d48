"""Many runs that belong together."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import pandas as pd

from eigentrail._text import counted
from eigentrail.errors import RunError, RunWarning
from eigentrail.runs import Run, open_run
from eigentrail.runs.checkpoints import steps_of
from eigentrail.runs.manifest import FILE, Manifest
from eigentrail.runs.trajectory import FOLDER as TRAJECTORY
from eigentrail.runs.trajectory import read_commit
from eigentrail.training.divergence import DivergenceError
from eigentrail.training.ensemble_members import is_several
from eigentrail.training.resuming import NOTE
from eigentrail.training.settings import TrainingSettings, check_setting

_LAST = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")


class Ensemble(Sequence[Run]):
    """The runs of an ensemble, in the order of its settings: a sequence of `Run`.

    Args:
        path: the folder that holds the runs.
        runs: the runs [K].
        settings: the settings of each [K].
        how: how they were trained, in words.

    Attributes:
        path: the folder that holds the runs.
        settings: the settings of each run [K].
        how: how they were trained, in words; empty where runs were only opened.
    """

    def __init__(
        self, path: Path, runs: Iterable[Run], settings: Iterable[TrainingSettings], how: str = ""
    ) -> None:
        self.path = path
        self._runs = list(runs)
        self.settings = tuple(settings)
        self.how = how

    def __len__(self) -> int:
        return len(self._runs)

    @overload
    def __getitem__(self, index: int) -> Run: ...
    @overload
    def __getitem__(self, index: slice) -> Ensemble: ...
    def __getitem__(self, index: int | slice) -> Run | Ensemble:
        """Take a run, or some as an ensemble.

        Args:
            index: a place, or a slice of places.

        Returns:
            The run, or an ensemble of several.
        """
        if isinstance(index, slice):
            return Ensemble(self.path, self._runs[index], self.settings[index], self.how)
        return self._runs[index]

    def __iter__(self) -> Iterator[Run]:
        return iter(self._runs)

    def select(self, **settings: Any) -> Ensemble:
        """Take the runs with some settings.

        Args:
            settings: what they must have: `lr=0.1, seed=[0, 1]`; several values allow each of them.

        Returns:
            Those runs, which may be none.

        Raises:
            OptionError: there is no such setting.
        """
        for name in settings:
            check_setting(name)
        wanted = {name: list(value) if is_several(value) else [value] for name, value in settings.items()}
        for name in wanted:
            if isinstance(settings[name], str):
                wanted[name] = [settings[name]]
        kept = [
            k
            for k, one in enumerate(self.settings)
            if all(getattr(one, name) in values for name, values in wanted.items())
        ]
        return Ensemble(self.path, [self._runs[k] for k in kept], [self.settings[k] for k in kept], self.how)

    @property
    def statuses(self) -> tuple[str, ...]:
        """The state of each run [K]: that of the run, or "diverged"."""
        return tuple("diverged" if diverged(run) else run.status for run in self._runs)

    @property
    def table(self) -> pd.DataFrame:
        """A row for each run [K]: its folder's name, seed, lr, weight_decay, status, last step and last scores."""
        rows = []
        for run, settings, status in zip(self._runs, self.settings, self.statuses, strict=True):
            row: dict[str, Any] = {
                "name": run.path.name,
                "seed": settings.seed,
                "lr": settings.lr,
                "weight_decay": settings.weight_decay,
                "status": status,
                "steps": int(run.steps[-1]),
            }
            for metric in _LAST:
                told: Any = run.metrics[metric].dropna("step").values if metric in run.metrics else []
                row[metric] = float(told[-1]) if len(told) else math.nan
            rows.append(row)
        columns = ["name", "seed", "lr", "weight_decay", "status", "steps", *_LAST]
        return pd.DataFrame(rows, columns=columns)

    def __repr__(self) -> str:
        counts = {status: self.statuses.count(status) for status in dict.fromkeys(self.statuses)}
        told = ", ".join(f"{count} {status}" for status, count in counts.items())
        return f"<Ensemble {self.path}: {counted(len(self), 'run')}{': ' if told else ''}{told}>"


def diverged(run: Run) -> bool:
    """Tell whether a run was ended because its loss was no number any more.

    Args:
        run: the run.

    Returns:
        True if its training diverged.
    """
    return run.manifest is not None and told_diverged(run.manifest)


def told_diverged(manifest: Manifest) -> bool:
    """Tell the same by what a run says about itself.

    Args:
        manifest: of the run.

    Returns:
        True if its training diverged.
    """
    return manifest.error is not None and manifest.error.startswith(f"{DivergenceError.__name__}:")


def open_ensemble(path: str | os.PathLike[str]) -> Ensemble:
    """Open all trainings in a folder.

    Args:
        path: a folder whose folders are runs of `train`.

    Returns:
        The runs, ordered by weight decay within learning rate, and by seed within both.

    Raises:
        RunError: there is none.
    """
    folder = Path(path)
    found = []
    for inner in sorted(folder.iterdir()) if folder.is_dir() else []:
        if not (inner / FILE).is_file():
            continue
        try:
            run = open_run(inner)
        except RunError as error:
            # A crash between the first file and the initial weights leaves such a folder; resume=True begins it anew.
            if steps_of(inner) or read_commit(inner / TRAJECTORY) is not None:
                raise
            warnings.warn(f"{error}; it is left out", RunWarning, stacklevel=2)
            continue
        told = run.manifest.notes.get(NOTE) if run.manifest is not None else None
        if told is not None:
            found.append((run, TrainingSettings(**told)))
    if not found:
        raise RunError(f"{folder} holds no folder with a run of train(...): name the folder of an ensemble")
    found.sort(key=lambda pair: (pair[1].lr, pair[1].weight_decay, pair[1].seed))
    return Ensemble(folder, [run for run, _ in found], [settings for _, settings in found])
