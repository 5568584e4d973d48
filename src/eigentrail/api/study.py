"""`study`: a named experiment from the first step of the training to the page."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import xarray as xr

from eigentrail._progress import Progress, shown
from eigentrail._untrusted import file_stem
from eigentrail.analyses import AnalysisResult
from eigentrail.analyses.framework.registry import choose_analyses
from eigentrail.api.analysis import RunAnalysis, analyze
from eigentrail.api.run_report import PAGE, report_runs
from eigentrail.errors import EigentrailError, OptionError, RunError, RunWarning
from eigentrail.findings import ClaimResult
from eigentrail.linalg.workers import most_workers
from eigentrail.recipes import (
    ClaimStudy,
    Experiment,
    Measured,
    Recipe,
    Trained,
    find_recipe,
    run_study,
    run_trials,
)
from eigentrail.recipes.framework.running import default_folder
from eigentrail.report.claim_page import claim_page
from eigentrail.report.experiments import experiment_sections
from eigentrail.report.page import write_page
from eigentrail.runs import Run
from eigentrail.runs.loggers import opened_logger


@dataclass(frozen=True)
class StudyResult:
    """A study that was carried out.

    Attributes:
        recipe: what it is.
        analysis: the run and its analyses.
        page: the path of the page.
    """

    recipe: Recipe
    analysis: RunAnalysis
    page: Path

    @property
    def run(self) -> Run:
        """The recorded training."""
        return self.analysis.run


@dataclass(frozen=True)
class SweepResult:
    """A study of several trainings that was carried out.

    Attributes:
        recipe: what it is.
        trained: its trainings.
        analyses: the runs that are shown and their analyses, of the layer they are compared in.
        table: a row for each run.
        claims: a row for each claim of the source that was looked at: `source`, `claim`, `verdict` ("holds", "does not
            hold" or "not decided"), `quantity`, `observed`, `chance`, `finding`.
        page: the path of the page that compares them.
        missing: why the claims, or a table with numbers, could not be had; empty where they could.
    """

    recipe: Recipe
    trained: list[Trained]
    analyses: list[RunAnalysis]
    table: pd.DataFrame
    claims: pd.DataFrame
    page: Path
    missing: str = ""


@dataclass(frozen=True)
class ClaimStudyResult:
    """A recipe that measured claims over seeds.

    Attributes:
        recipe: what it is.
        tables: what was measured, by name.
        claims: the claims, each with its verdict, interval and seeds.
        page: the path of the page; claims.csv and a file for each table lie beside it.
    """

    recipe: Recipe
    tables: dict[str, pd.DataFrame]
    claims: list[ClaimResult]
    page: Path


def study(
    name: str | None = None,
    data: str | os.PathLike[str] | None = None,
    *,
    epochs: int | None = None,
    seed: int = 0,
    full: bool = False,
    out: str | os.PathLike[str] | None = None,
    device: str = "cpu",
    log_to: str | None = None,
    jobs: int | None = None,
    progress: bool | None = None,
) -> StudyResult | SweepResult | ClaimStudyResult:
    """Train, record, analyse, and write the page. With no argument it needs no files and no network.

    Args:
        name: one of `et.recipes.names()`; None for MLP 50 on the digits in scikit-learn.
        data: a data set's name or a folder; None for the study's own.
        epochs: how many; None for the study's.
        seed: of the initial weights and the order of the samples.
        full: True for the source's own data and size, False for a size that two cores carry in minutes.
        out: the run's folder; None for `runs/STUDY-DATA-sSEED`. An interrupted study in it is gone on with.
        device: where to train: "cpu", "cuda", "cuda:1", or "auto" for a GPU where there is one.
        log_to: where norms, ranks, spikes and phases of the weights are shown as it trains, of a study of one training:
            see `eigentrail.runs.loggers.opened_logger`; None for nowhere.
        jobs: workers that share the analyses, see `analyze`.
        progress: True to show it, False for silence, None for bars on terminals.

    Returns:
        The run, its analyses and the page; of a study of several trainings all of them, and a table. What cannot be
        measured of a training is told in a warning, in its row of the table and on the page.

    Raises:
        OptionError: there is no such study, or an argument is outside what it may be.
    """
    jobs = most_workers(jobs)
    recipe = find_recipe(name)
    chosen = recipe.plan
    if log_to is not None and isinstance(chosen, (ClaimStudy, Experiment)):
        raise OptionError(f"study {recipe.name} is of several trainings, and log_to shows one")
    if isinstance(chosen, ClaimStudy):
        if data is not None or epochs is not None or device != "cpu":
            raise OptionError(
                f"study {recipe.name} measures claims by itself: it takes no data, epochs or device"
            )
        return _claims_measured(recipe, chosen, seed, full, out, progress)
    if isinstance(chosen, Experiment):
        folder, trained = run_trials(
            recipe, out, data, epochs=epochs, seed=seed, full=full, device=device, progress=progress
        )
        found: dict[str, RunAnalysis] = {}
        made: dict[str, _Made] = {}
        left_out = [pair for one in trained for pair in one.left_out]
        for one in trained:
            if one.trial.shown and one.runs:
                name = one.trial.name
                found[name], made[name] = _analysed(chosen, one, jobs, progress)
                if not one.diverged[0]:
                    reasons = dict.fromkeys(made[name].why.values())
                    left_out += [(name, f"{made[name].layers}: {why}") for why in reasons]
        with shown(f"{recipe.name}: measuring", progress) as tell:
            measured = _measured(chosen, trained, made, tell)
        for who, why in measured.left_out:
            if (who, why) not in left_out:
                left_out.append((who, why))
        for who, why in left_out[sum(len(one.left_out) for one in trained) :]:
            warnings.warn(f"{who} is not measured: {why}", RunWarning, stacklevel=2)
        measured = replace(measured, left_out=tuple(left_out))
        measured.table.to_csv(folder / "comparison.csv", index=False)
        if measured.claims:
            measured.claims_table.to_csv(folder / "claims.csv", index=False)
        page = report_runs(
            list(found.values()),
            folder / PAGE,
            labels=list(found),
            first=experiment_sections(recipe.name, measured),
        )
        return SweepResult(
            recipe,
            trained,
            list(found.values()),
            measured.table,
            measured.claims_table,
            page,
            measured.missing,
        )
    with nullcontext() if log_to is None else opened_logger(log_to) as logger:
        run = run_study(
            recipe,
            out,
            data,
            epochs=epochs,
            seed=seed,
            full=full,
            device=device,
            log_to=logger,
            progress=progress,
        )
    analysis = analyze(
        run,
        also=chosen.analyses,
        layers=list(chosen.analysed) if chosen.analysed else None,
        jobs=jobs,
        progress=progress,
    )
    return StudyResult(recipe, analysis, analysis.report())


def _claims_measured(
    recipe: Recipe,
    chosen: ClaimStudy,
    seed: int,
    full: bool,
    out: str | os.PathLike[str] | None,
    progress: bool | None,
) -> ClaimStudyResult:
    """Measure the claims over seeds; tables, claims and the page are written at the end."""
    folder = Path(out) if out is not None else default_folder(recipe.name, "claims", seed, full)
    with shown(recipe.name, progress) as tell:
        tell("measuring the claims over seeds", 0, 1)
        tables, results = chosen.measure(range(seed, seed + chosen.seeds), "full" if full else "small")
        tell("done", 1, 1)
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        table.to_csv(folder / f"{file_stem(name)}.csv", index=False)
    claims = pd.DataFrame([one.to_dict() for one in results])
    claims.to_csv(folder / "claims.csv", index=False)
    title = f"{recipe.name}: {recipe.shows}"
    seeds = f"seeds {seed} to {seed + chosen.seeds - 1}"
    page = write_page(claim_page(title, f"{recipe.source}, {seeds}", results, tables), folder / PAGE)
    return ClaimStudyResult(recipe, dict(tables), list(results), page)


class _Made(dict[str, xr.DataTree]):
    """The analyses of a trial; asking for one that could not be made is the error that says why.

    Args:
        trial: the trial's name.
        layers: the layers that are analysed.
        results: what was made.
        why: why the others were not, by analysis.
    """

    def __init__(
        self, trial: str, layers: str, results: Mapping[str, xr.DataTree], why: Mapping[str, str]
    ) -> None:
        super().__init__(results)
        self._trial, self.layers, self.why = trial, layers, why

    def __missing__(self, name: str) -> xr.DataTree:
        raise RunError(f"{self._trial} has no {name}: {self.why[name]}")


def _analysed(study: Experiment, one: Trained, jobs: int, progress: bool | None) -> tuple[RunAnalysis, _Made]:
    """Analyse the first run of a trial; where an analysis cannot be made the others are there."""
    run, layers = one.runs[0], list(study.analysed or [study.studied])
    found: dict[str, AnalysisResult] = {}
    why: dict[str, str] = {}
    if one.diverged[0]:
        why = dict.fromkeys(study.analyses, "the training diverged")
    # The weights of a training that diverged are worth a look, but no expensive one.
    for names in (study.only, *(() if why else ((name,) for name in study.analyses))):
        try:
            found |= analyze(run, names, layers=layers, jobs=jobs, progress=progress).found
        except EigentrailError as error:
            why |= dict.fromkeys((each.name for each in choose_analyses(names)), str(error))
    results = {name: made.tree for name, made in found.items()}
    return RunAnalysis(run, found), _Made(one.trial.name, ", ".join(layers), results, why)


def _measured(
    study: Experiment, trained: list[Trained], results: Mapping[str, _Made], tell: Progress
) -> Measured:
    """Measure; where that fails as a whole the trainings are told without numbers."""
    try:
        return study.measure(trained, results, tell)
    except EigentrailError as error:
        rows = [
            {
                "trial": one.trial.name,
                "status": "diverged" if wild else run.status,
                "steps": int(run.steps[-1]),
            }
            for one in trained
            for run, wild in zip(one.runs, one.diverged, strict=True)
        ]
        return Measured(pd.DataFrame(rows), missing=f"{study.studied}: {error}")
