"""A study of several trainings: what they are, how they are carried out, and what is measured on them."""

from __future__ import annotations

import os
import warnings
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray as xr
from torch import nn

from eigentrail import data as datasets
from eigentrail._progress import Progress, Throttle, shown, silent
from eigentrail.data import Data
from eigentrail.errors import OptionError, RunError, RunWarning
from eigentrail.recipes.framework.measurement import Measurement
from eigentrail.recipes.framework.recipe import Recipe
from eigentrail.recipes.framework.running import NOTE, default_folder
from eigentrail.recipes.framework.study import Study, study_of
from eigentrail.recipes.framework.trial import Trial
from eigentrail.runs import Manifest, Run, open_run
from eigentrail.runs.manifest import FILE
from eigentrail.training import DivergenceError, Ensemble, TrainingSettings, train, train_many
from eigentrail.training.resuming import keep_phases

_BEGINS = "begins"


@dataclass(frozen=True)
class Trained:
    """A trial that was carried out, or that could not begin.

    Attributes:
        trial: what it is.
        runs: its runs, ordered by rate, then by seed; none where it could not begin.
        settings: the settings of each.
        diverged: whether the loss of each was no number any more at some step.
        why: why it could not begin; empty where it could.
    """

    trial: Trial
    runs: tuple[Run, ...]
    settings: tuple[TrainingSettings, ...]
    diverged: tuple[bool, ...]
    why: str = ""

    @property
    def usable(self) -> bool:
        """Whether at least one of its runs did not diverge."""
        return not all(self.diverged)

    @property
    def left_out(self) -> tuple[tuple[str, str], ...]:
        """What of it there is nothing to measure, each with the reason."""
        if self.why:
            return ((self.trial.name, self.why),)
        return tuple(
            (called(self.trial, settings), said_of_divergence(run))
            for run, settings, wild in zip(self.runs, self.settings, self.diverged, strict=True)
            if wild
        )


class AllDivergedError(DivergenceError):
    """All trainings of a study diverged.

    Args:
        study: the study's name.
        trained: its trainings; the first one with runs is told of.
    """

    def __init__(self, study: str, trained: Sequence[Trained]):
        one = next(one for one in trained if one.runs)
        run = one.runs[0]
        all_of_them = "" if len(trained) == 1 and len(one.runs) == 1 else "all trainings diverged; "
        RunError.__init__(
            self,
            f"study {study}: {all_of_them}{called(one.trial, one.settings[0])}: {said_of_divergence(run)}, or inputs "
            "of mean 0 and variance 1",
        )
        self.step = int(run.steps[-1]) + 1
        self.path = run.path


def called(trial: Trial, settings: TrainingSettings) -> str:
    """Name a training of a trial.

    Args:
        trial: the trial.
        settings: those of the training.

    Returns:
        The trial's name; with rate and seed where it has several trainings.
    """
    return f"{trial.name} (rate {settings.lr:g}, seed {settings.seed})" if trial.several else trial.name


def why_lacking(names: Sequence[str], trained: Sequence[Trained], left_out: Sequence[tuple[str, str]]) -> str:
    """Tell why the claims have no ground.

    Args:
        names: the trials that they need and that could not be measured.
        trained: all trials.
        left_out: what could not be measured of those that did not diverge, with the reasons.

    Returns:
        The reason of the first one.
    """
    told = [*(pair for one in trained for pair in one.left_out), *left_out]
    return next(f"{who}: {why}" for who, why in told if who.partition(" (")[0] in names)


def said_of_divergence(run: Run) -> str:
    """Tell how a training diverged.

    Args:
        run: its run.

    Returns:
        What its recorder noted.
    """
    error = run.manifest.error if run.manifest is not None else None
    return error.partition(": ")[2] if error else "the training diverged"


@dataclass(frozen=True, kw_only=True)
class Experiment(Study):
    """A study of several trainings and of what they say about a source's claims.

    Attributes:
        studied: the layer that is looked at.
        together: whether its trials train all seeds at once; else all of it is carried out for one after the other.
    """

    studied: str
    together: bool = False

    @abstractmethod
    def trials(self, settings: TrainingSettings, full: bool, seeds: int = 1) -> Sequence[Trial]:
        """Plan the trainings.

        Args:
            settings: the study's settings on the data set.
            full: True for the source's own size, False for one that two cores carry.
            seeds: for how many seeds at once; 1 where they are not trained together.

        Returns:
            The trials; one that begins with another's weights comes after it.
        """

    @abstractmethod
    def measure(
        self, trained: Sequence[Trained], results: Mapping[str, Mapping[str, xr.DataTree]], tell: Progress
    ) -> Measurement:
        """Measure what the study is about.

        Args:
            trained: the trials.
            results: the analyses of the first run of each trial that is shown, by the trial's name.
            tell: told about the progress.

        Returns:
            Table, observations, and what the study's figures show; of a training that diverged or cannot be measured
            a row without numbers.
        """


def run_trials(
    recipe: Recipe,
    path: str | os.PathLike[str] | None = None,
    data: str | os.PathLike[str] | None = None,
    *,
    epochs: int | None = None,
    seed: int = 0,
    seeds: int = 1,
    full: bool = False,
    device: str = "cpu",
    jobs: int | None = None,
    progress: bool | None = None,
) -> tuple[Path, list[Trained]]:
    """Carry the trainings of a study out, recorded, each in a folder of its own; what is there already is kept.

    A training that diverges is told in a warning, and so are those that would begin with its weights; the others go on.

    Args:
        recipe: which.
        path: the folder for the runs' folders; None for `runs/STUDY-DATA-sSEED`.
        data: a data set's name or a folder; None for the study's own.
        epochs: how many; None for the study's.
        seed: the first one, of the initial weights and the order of the samples.
        seeds: how many the trials train at once.
        full: True for the source's own size, False for one that two cores carry.
        device: where to train: "cpu", "cuda", "cuda:1", or "auto" for a GPU where there is one.
        jobs: at most so many processes where the trainings of a trial are not stacked, as for `train_many`.
        progress: True for lines on stderr, False for nothing, None for a bar where stderr is a terminal.

    Returns:
        The folder and the trials, in their order.

    Raises:
        OptionError: the epochs are too few for what is measured, or the recipe trains no network of its own.
        RunError: the folder holds trainings that began elsewhere.
        AllDivergedError: all trainings diverged.
    """
    study = study_of(recipe)
    preset = study.preset
    which, source = datasets.resolve(data, recipe.source_data if full else recipe.data)
    folder = Path(path) if path is not None else default_folder(recipe.name, which, seed, full)
    if (folder / FILE).is_file():
        raise RunError(
            f"{folder} is a run itself, and the study {recipe.name} makes several: choose another with --out"
        )
    settings = study.settings(which, full, epochs).changed(seed=seed, device=device)
    settings = keep_phases(folder, settings)
    if settings.epochs < study.fewest:
        raise OptionError(
            f"--epochs {settings.epochs}: the study {recipe.name} needs at least {study.fewest} epochs for what it "
            f"measures: give --epochs {study.fewest} or more"
        )
    samples = preset.samples_for(datasets.load(which, source), full)
    notes = {
        NOTE: recipe.name,
        "source": recipe.source,
        "chosen": study.choices(which, recipe.source_data, full, settings, samples),
    }
    done: dict[str, Trained] = {}
    plan = study.trials(settings, full, seeds)
    opened: set[str] = set()
    with shown(recipe.name, progress) as tell:
        for place, trial in enumerate(plan):
            tell(trial.name.replace("-", " "), place, len(plan))
            within: Progress = silent if tell is silent else _Within(trial, place, len(plan), tell, opened)
            own = settings.changed(epochs=max(1, round(trial.share * settings.epochs)), **trial.changes)
            network: Any = preset.network_for(recipe.network, full)
            arguments: dict[str, Any] = {
                "layers": trial.layers or preset.layers_for(which, full),
                "resume": True,
                # A callable, because False and None mean something to whoever shows the progress of a training alone.
                "progress": within,
                "notes": notes,
            }
            if trial.begins is not None:
                if not done[trial.begins].usable:
                    why = f"not trained: it begins with the last weights of {trial.begins}, which diverged"
                    warnings.warn(f"{trial.name}: {why}", RunWarning, stacklevel=2)
                    done[trial.name] = Trained(trial, (), (), (), why)
                    continue
                first = done[trial.begins].runs[0]
                network = _network_of(first)
                arguments["rebuild"] = first.manifest.model.build if first.manifest else None
                arguments["notes"] = {**notes, _BEGINS: {"with": trial.begins, "step": int(first.steps[-1])}}
            one = _carry_out(trial, network, samples, folder / trial.name, own, jobs, arguments)
            if not trial.several and not one.usable and len(plan) > 1:
                told = said_of_divergence(one.runs[0])
                warnings.warn(f"{trial.name}: {told}; the others go on", RunWarning, stacklevel=2)
            done[trial.name] = one
        tell("trained", len(plan), len(plan))
    trained = list(done.values())
    if not any(one.usable for one in trained):
        raise AllDivergedError(recipe.name, trained)
    return folder, trained


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
        self._throttle = Throttle()
        self._first = True

    def __call__(self, item: str, done: int, total: int) -> None:
        first, self._first = self._first, False
        if first and item in self._opened:
            return
        if first:
            self._opened.add(item)
        if self._throttle.due():
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
    jobs: int | None,
    arguments: dict[str, Any],
) -> Trained:
    for there in [folder, *(folder.iterdir() if folder.is_dir() else ())]:
        if (there / FILE).is_file():
            _check_began(there, arguments["notes"].get(_BEGINS))
    if not trial.several:
        try:
            run = train(network, samples, folder, settings, **arguments)
        except DivergenceError:
            return Trained(trial, (open_run(folder),), (settings,), (True,))
        return Trained(trial, (run,), (settings,), (False,))
    found: Ensemble = train_many(
        network,
        samples,
        folder,
        settings.changed(seed=0),
        seeds=range(settings.seed, settings.seed + trial.seeds),
        lr=trial.lr or None,
        jobs=jobs,
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
