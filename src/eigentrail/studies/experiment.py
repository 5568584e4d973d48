"""A study of several trainings: what they are, how they are carried out, and what is measured on them."""

from __future__ import annotations

import os
import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import xarray as xr
from torch import nn

from eigentrail import data as datasets
from eigentrail._progress import Progress, shown, silent
from eigentrail.data import Data
from eigentrail.errors import RunError
from eigentrail.runs import Manifest, Run
from eigentrail.runs.manifest import FILE
from eigentrail.runs.schedules import Every
from eigentrail.studies.claims import Measured
from eigentrail.studies.running import NOTE, default_folder
from eigentrail.studies.study import Study
from eigentrail.training import Ensemble, TrainingSettings, train, train_many
from eigentrail.training.resuming import keep_phases

_BEGINS = "begins"
# Seconds between two reports of work within a trial.
_PAUSE = 2.0


@dataclass(frozen=True)
class Trial:
    """One training of a study, or several that differ in seeds or rates and are trained as one program.

    Attributes:
        name: the name of its folder.
        changes: settings other than the study's.
        share: its number of epochs, as a share of the study's; at least one epoch.
        seeds: for how many seeds, from the study's own on.
        lr: several learning rates; none for that of the settings.
        begins: the trial whose last weights it begins with; None for initial weights.
        layers: what is recorded; None for what the study records.
        shown: whether its first run is analysed and shown on the page.
    """

    name: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    share: float = 1.0
    seeds: int = 1
    lr: tuple[float, ...] = ()
    begins: str | None = None
    layers: Mapping[str, Every] | None = None
    shown: bool = True

    @property
    def several(self) -> bool:
        """Whether it is more than one training."""
        return self.seeds > 1 or bool(self.lr)


@dataclass(frozen=True)
class Trained:
    """A trial that was carried out.

    Attributes:
        trial: what it is.
        runs: its runs, ordered by rate, then by seed.
        settings: the settings of each.
        diverged: whether the loss of each was no number any more at some step.
    """

    trial: Trial
    runs: tuple[Run, ...]
    settings: tuple[TrainingSettings, ...]
    diverged: tuple[bool, ...]


@dataclass(frozen=True, kw_only=True)
class Experiment(Study):
    """A study of several trainings and of what they say about a source's claims.

    Attributes:
        studied: the layer that is looked at.
        only: the analyses that are made besides those of `analyses`; None for those that every run has.
    """

    studied: str
    only: tuple[str, ...] | None = None

    @abstractmethod
    def trials(self, settings: TrainingSettings, full: bool) -> Sequence[Trial]:
        """Plan the trainings.

        Args:
            settings: the study's settings on the data set.
            full: True for the source's own size, False for one that two cores carry.

        Returns:
            The trials; one that begins with another's weights comes after it.
        """

    @abstractmethod
    def measure(
        self, trained: Sequence[Trained], results: Mapping[str, Mapping[str, xr.DataTree]], tell: Progress
    ) -> Measured:
        """Measure what the study is about.

        Args:
            trained: the trials.
            results: the analyses of the first run of each trial that is shown, by the trial's name.
            tell: told about the progress.

        Returns:
            Table, claims, and what the study's figures show.
        """


def run_trials(
    study: Experiment,
    path: str | os.PathLike[str] | None = None,
    data: str | os.PathLike[str] | None = None,
    *,
    epochs: int | None = None,
    seed: int = 0,
    full: bool = False,
    device: str = "cpu",
    progress: bool | None = None,
) -> tuple[Path, list[Trained]]:
    """Carry the trainings of a study out, recorded, each in a folder of its own; what is there already is kept.

    Args:
        study: which.
        path: the folder for the runs' folders; None for `runs/STUDY-DATA-sSEED`.
        data: a data set's name or a folder; None for the study's own.
        epochs: how many; None for the study's.
        seed: the first one, of the initial weights and the order of the samples.
        full: True for the source's own size, False for one that two cores carry.
        device: where to train: "cpu", "cuda", "cuda:1", or "auto" for a GPU where there is one.
        progress: True for lines on stderr, False for nothing, None for a bar where stderr is a terminal.

    Returns:
        The folder and the trials, in their order.

    Raises:
        RunError: the folder holds trainings that began elsewhere.
    """
    preset = study.training
    which, source = datasets.resolve(data, preset.source_data if full else preset.data)
    folder = Path(path) if path is not None else default_folder(study.name, which, seed, full)
    if (folder / FILE).is_file():
        raise RunError(
            f"{folder} is a run itself, and the study {study.name} makes several: choose another with --out"
        )
    settings = study.settings(which, full, epochs).changed(seed=seed, device=device)
    settings = keep_phases(folder, settings)
    samples = preset.samples_for(datasets.load(which, source), full)
    notes = {
        NOTE: study.name,
        "preset": preset.name,
        "source": preset.source,
        "chosen": study.choices(which, full, settings, samples),
    }
    done: dict[str, Trained] = {}
    plan = study.trials(settings, full)
    opened: set[str] = set()
    with shown(study.name, progress) as tell:
        for place, trial in enumerate(plan):
            tell(trial.name.replace("-", " "), place, len(plan))
            within: Progress = silent if tell is silent else _Within(trial, place, len(plan), tell, opened)
            own = settings.changed(epochs=max(1, round(trial.share * settings.epochs)), **trial.changes)
            network: Any = preset.network_for(full)
            arguments: dict[str, Any] = {
                "layers": trial.layers or preset.layers_for(which, full),
                "resume": True,
                # A callable, because False and None mean something to whoever shows the progress of a training alone.
                "progress": within,
                "notes": notes,
            }
            if trial.begins is not None:
                first = done[trial.begins].runs[0]
                network = _network_of(first)
                arguments["rebuild"] = first.manifest.model.build if first.manifest else None
                arguments["notes"] = {**notes, _BEGINS: {"with": trial.begins, "step": int(first.steps[-1])}}
            done[trial.name] = _carry_out(trial, network, samples, folder / trial.name, own, arguments)
        tell("trained", len(plan), len(plan))
    return folder, list(done.values())


class _Within:
    """Pass on what the trainings of a trial tell, not too often.

    Args:
        trial: the trial.
        place: how many trials are done.
        count: how many there are.
        tell: what is told.
        opened: what earlier trials told first, such as how several networks are trained; it is not told again.
    """

    def __init__(self, trial: Trial, place: int, count: int, tell: Progress, opened: set[str]):
        self._name = trial.name.replace("-", " ")
        self._place, self._count = place, count
        self._tell, self._opened = tell, opened
        self._last: float | None = None

    def __call__(self, item: str, done: int, total: int) -> None:
        now = time.monotonic()
        first, self._last = self._last is None, self._last or now - _PAUSE
        if first and item in self._opened:
            return
        if first:
            self._opened.add(item)
        if now - self._last >= _PAUSE:
            self._last = now
            so_far = f" ({done} of {total})" if done else ""
            self._tell(f"{self._name}: {item}{so_far}", self._place, self._count)


def _network_of(run: Run) -> nn.Module:
    return run.model(int(run.steps[-1])).train()


def _carry_out(
    trial: Trial,
    network: Any,
    samples: Data,
    folder: Path,
    settings: TrainingSettings,
    arguments: dict[str, Any],
) -> Trained:
    for there in [folder, *(folder.iterdir() if folder.is_dir() else ())]:
        if (there / FILE).is_file():
            _check_began(there, arguments["notes"].get(_BEGINS))
    if not trial.several:
        run = train(network, samples, folder, settings, **arguments)
        return Trained(trial, (run,), (settings,), (False,))
    found: Ensemble = train_many(
        network,
        samples,
        folder,
        settings.changed(seed=0),
        seeds=range(settings.seed, settings.seed + trial.seeds),
        lr=trial.lr or None,
        **arguments,
    )
    wild = tuple(status == "diverged" for status in found.statuses)
    return Trained(trial, tuple(found), found.settings, wild)


def _check_began(folder: Path, begins: Mapping[str, Any] | None) -> None:
    before = Manifest.read(folder).notes.get(_BEGINS)
    if before != begins:
        said = [
            f"step {one['step']} of {one['with']}" if one else "initial weights" for one in (before, begins)
        ]
        raise RunError(
            f"{folder} began with {said[0]}, now it would begin with {said[1]}: choose another folder with --out"
        )
