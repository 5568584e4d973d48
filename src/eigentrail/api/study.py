"""`study`: a named experiment from the first step of the training to the page."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from eigentrail.api.analysis import RunAnalysis, analyze
from eigentrail.runs import Run
from eigentrail.studies import Study, find_study, run_study


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


def study(
    name: str | None = None,
    data: str | os.PathLike[str] | None = None,
    *,
    epochs: int | None = None,
    seed: int = 0,
    out: str | os.PathLike[str] | None = None,
    jobs: int = 1,
    progress: bool | None = None,
) -> StudyResult:
    """Train, record, analyse, and write the page. With no argument it needs no files and no network.

    Args:
        name: one of `eigentrail.studies.STUDIES`; None for MLP 50 on the digits in scikit-learn.
        data: a data set's name or a folder; None for the study's own.
        epochs: how many; None for the study's.
        seed: of the initial weights and the order of the samples.
        out: the run's folder; None for `runs/STUDY-DATA-sSEED`. An interrupted study in it is gone on with.
        jobs: processes that analyse in parallel, -1 for one per core.
        progress: True to show it, False for silence, None for bars on terminals.

    Returns:
        The run, its analyses and the page.
    """
    chosen = find_study(name)
    run = run_study(chosen, out, data, epochs=epochs, seed=seed, progress=progress)
    analysis = analyze(run, jobs=jobs, progress=progress)
    return StudyResult(chosen, analysis, analysis.report())
