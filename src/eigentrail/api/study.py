"""`study`: a named experiment from the first step of the training to the page."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from eigentrail._progress import shown
from eigentrail.api.analysis import RunAnalysis, analyze
from eigentrail.api.run_report import PAGE, report_runs
from eigentrail.report.experiments import experiment_sections
from eigentrail.runs import Run
from eigentrail.studies import Experiment, Study, Trained, find_study, run_study, run_trials


@dataclass(frozen=True)
class StudyResult:
    """A study that was carried out.

    Attributes:
        study: what it is.
        analysis: the run and its analyses.
        page: the path of the page.
    """

    study: Study
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
        study: what it is.
        trained: its trainings.
        analyses: the runs that are shown and their analyses, of the layer they are compared in.
        table: a row for each run.
        claims: a row for each claim of the source that was looked at: `source`, `claim`, `verdict` ("holds", "does not
            hold" or "not decided"), `quantity`, `observed`, `chance`, `finding`.
        page: the path of the page that compares them.
    """

    study: Experiment
    trained: list[Trained]
    analyses: list[RunAnalysis]
    table: pd.DataFrame
    claims: pd.DataFrame
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
    jobs: int = 1,
    progress: bool | None = None,
) -> StudyResult | SweepResult:
    """Train, record, analyse, and write the page. With no argument it needs no files and no network.

    Args:
        name: one of `eigentrail.studies.STUDIES`; None for MLP 50 on the digits in scikit-learn.
        data: a data set's name or a folder; None for the study's own.
        epochs: how many; None for the study's.
        seed: of the initial weights and the order of the samples.
        full: True for the source's own data and size, False for a size that two cores carry in minutes.
        out: the run's folder; None for `runs/STUDY-DATA-sSEED`. An interrupted study in it is gone on with.
        device: where to train: "cpu", "cuda", "cuda:1", or "auto" for a GPU where there is one.
        jobs: processes that analyse in parallel, -1 for one per core.
        progress: True to show it, False for silence, None for bars on terminals.

    Returns:
        The run, its analyses and the page; of a study of several trainings all of them, and a table.
    """
    chosen = find_study(name)
    if isinstance(chosen, Experiment):
        folder, trained = run_trials(
            chosen, out, data, epochs=epochs, seed=seed, full=full, device=device, progress=progress
        )
        found = {
            one.trial.name: analyze(
                one.runs[0],
                chosen.only,
                also=chosen.analyses,
                layers=list(chosen.analysed or [chosen.studied]),
                jobs=jobs,
                progress=progress,
            )
            for one in trained
            if one.trial.shown
        }
        with shown(f"{chosen.name}: measuring", progress) as tell:
            measured = chosen.measure(trained, {name: one.results for name, one in found.items()}, tell)
        measured.table.to_csv(folder / "comparison.csv", index=False)
        if measured.claims:
            measured.claims_table.to_csv(folder / "claims.csv", index=False)
        page = report_runs(
            list(found.values()),
            folder / PAGE,
            labels=list(found),
            first=experiment_sections(chosen.name, measured),
        )
        return SweepResult(chosen, trained, list(found.values()), measured.table, measured.claims_table, page)
    run = run_study(chosen, out, data, epochs=epochs, seed=seed, full=full, device=device, progress=progress)
    analysis = analyze(
        run,
        also=chosen.analyses,
        layers=list(chosen.analysed) if chosen.analysed else None,
        jobs=jobs,
        progress=progress,
    )
    return StudyResult(chosen, analysis, analysis.report())
