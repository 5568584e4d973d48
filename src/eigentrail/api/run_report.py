"""`report_runs`: the page of one run, or of several compared."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eigentrail._progress import Progress
from eigentrail.api.analysis import RunAnalysis, analyze
from eigentrail.errors import OptionError
from eigentrail.linalg.workers import most_workers
from eigentrail.report.sections import Section
from eigentrail.runs import RecordedRun, Run, open_run

PAGE = "report.html"

Reportable = RunAnalysis | Run | str | os.PathLike[str]


def report_runs(
    runs: Reportable | Sequence[Reportable],
    path: str | os.PathLike[str] | None = None,
    *,
    layers: str | list[str] | None = None,
    jobs: int | None = None,
    progress: bool | Progress | None = None,
    labels: Sequence[str] | None = None,
    first: Sequence[Section] = (),
    origin: str | None = None,
) -> Path:
    """Write the self-contained page of one run or of several compared; what is not analysed yet is analysed.

    Args:
        runs: runs, folders of runs, or what `analyze` returned; or folders of sweeps, which get a page of
            sweeps. Several share the time that a page of one may take; what is left out is told, and what was made
            before is there.
        path: the HTML file to write, or a folder for `report.html`. None: `report.html` in the folder of a
            recorded run, in the working directory for several runs and for a folder of checkpoints, in which nothing
            is written. There a page of something else is not replaced.
        layers: globs over parameter names; None for all.
        jobs: workers that share the analyses, see `analyze`.
        progress: True to show it, False for silence, a callable to report to, None for a bar on terminals.
        labels: what each of several runs is called; None for their folders' names.
        first: sections that the page begins with.
        origin: what the page is made of where that is not the runs alone, see `eigentrail.report.origin`.

    Returns:
        The path of the page.

    Raises:
        OptionError: no run is given, or the page would replace one of something else.
    """
    from eigentrail.report import origin_of, refuse_another, write_page
    from eigentrail.report.run_page import run_page
    from eigentrail.report.run_story import RunStory

    most_workers(jobs)
    given: list[Any] = list(runs) if isinstance(runs, (list, tuple)) else [runs]
    if not given:
        raise OptionError("name at least one run to report on")
    if (sweeps := _folders_of_sweeps(given)) is not None:
        from eigentrail.api.sweep import compare_sweeps, open_sweep

        return open_sweep(sweeps[0]).report(path) if len(sweeps) == 1 else compare_sweeps(sweeps, path)
    # All of them are opened before the first is analysed: what is no run is told at once.
    opened = [one if isinstance(one, (RunAnalysis, Run)) else open_run(one) for one in given]
    told = [one.run if isinstance(one, RunAnalysis) else one for one in opened]
    target = _target(told, path)
    origin = origin or origin_of("runs", *(str(one.path) for one in told))
    if path is None:
        # A run's own page stays its own when the folder is moved.
        own = target.parent == told[0].path
        refuse_another(target, origin, "name a file for this one (-o FILE)", any_of_kind=own)
    known = [
        one
        if isinstance(one, RunAnalysis)
        else analyze(one, layers=layers, jobs=jobs, progress=progress, share=1.0 / len(given))
        for one in opened
    ]
    called = [""] * len(known) if labels is None or len(known) == 1 else list(labels)
    stories = [
        RunStory(one.run, one.found, name, left_out=one.left_out)
        for one, name in zip(known, called, strict=True)
    ]
    return write_page(run_page(stories, first, origin), target)


def _target(runs: Sequence[Run], path: str | os.PathLike[str] | None) -> Path:
    if path is not None:
        target = Path(path)
        return target / PAGE if target.is_dir() or not target.suffix else target
    own = len(runs) == 1 and isinstance(runs[0], RecordedRun)
    return (runs[0].path if own else Path()) / PAGE


def _folders_of_sweeps(given: Sequence[Any]) -> list[Path] | None:
    """Give the folders where all are those of sweeps; None where none is."""
    folders = [Path(one) for one in given if isinstance(one, (str, os.PathLike))]
    sweeps = [one for one in folders if (one / "sweep.json").is_file()]
    if not sweeps:
        return None
    if len(sweeps) < len(given):
        other = next(
            one for one in given if not isinstance(one, (str, os.PathLike)) or Path(one) not in sweeps
        )
        raise OptionError(f"{sweeps[0]} is a sweep, and {other} is none: report on sweeps and runs apart")
    return sweeps
