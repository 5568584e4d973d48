"""Make analyses of a run: what is needed is provided, what is stored is not made again, what costs too much is told."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd
import xarray as xr

from eigentrail._progress import Progress, Throttle, shown
from eigentrail.analyses.framework import storing
from eigentrail.analyses.framework.contract import Analysis
from eigentrail.analyses.framework.probe import SAMPLES, Probe
from eigentrail.analyses.framework.registry import find_analysis
from eigentrail.analyses.framework.rows import Row, rows_of, table_of
from eigentrail.analyses.framework.subjects import (
    Size,
    Subject,
    layers_of,
    matrices_of,
    probed_of,
)
from eigentrail.errors import EigentrailError, TrajectoryError
from eigentrail.findings import Finding, Skipped, adjusted
from eigentrail.linalg.sharing import shared, sharing
from eigentrail.linalg.threads import threads_for
from eigentrail.runs import Run

#: Seconds that an analysis which nobody asked for may take, and those of one subject of it.
BUDGET, A_SUBJECT = 90.0, 25.0
#: Draws of a null model unless an analysis says otherwise.
DRAWS = 200


@dataclass(frozen=True)
class Context:
    """What an analysis is given besides its subject.

    Attributes:
        run: the run.
        progress: is told of the work within the subject.
        seed: of everything random.
        draws: how many draws a null model makes.
        subject: the subject's name.
        arguments: the analysis' arguments.
    """

    run: Run
    progress: Progress
    seed: int = 0
    draws: int = DRAWS
    subject: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def of(self, analysis: str) -> xr.DataTree:
        """Give the node of another analysis of the same subject, stored or made now.

        Args:
            analysis: its name, one of the `after` of this analysis.

        Returns:
            The node.
        """
        return node_of(self.run, analysis, self.subject)


@dataclass(frozen=True)
class AnalysisResult:
    """What an analysis found.

    Attributes:
        analysis: the analysis.
        tree: a node per subject.
        skipped: what was left out, and why.
    """

    analysis: Analysis
    tree: xr.DataTree
    skipped: list[Skipped] = field(default_factory=list)

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row per subject; None for what is missing."""
        return table_of(self.analysis, self.tree)

    @property
    def rows(self) -> list[Row]:
        """The rows with their nodes."""
        return list(rows_of(self.analysis, self.tree))

    @cached_property
    def findings(self) -> list[Finding]:
        """The findings of all subjects, corrected for how many were asked."""
        if self.analysis.findings is None:
            return []
        return adjusted([found for row in self.rows for found in self.analysis.findings(row)])

    def of(self, subject: str) -> list[Finding]:
        """Give the findings of one subject.

        Args:
            subject: its name.

        Returns:
            Those of it and of its cases.
        """
        return [
            one for one in self.findings if one.subject == subject or one.subject.startswith(f"{subject}, ")
        ]


def node_of(run: Run, name: str, subject: str) -> xr.DataTree:
    """Give the node of one subject of an analysis, stored or made now.

    Args:
        run: the run.
        name: the analysis' name.
        subject: the subject's name.

    Returns:
        The node.

    Raises:
        TrajectoryError: the analysis cannot be made of it.
    """
    analysis = find_analysis(name)
    found = storing.load(run, analysis, subject)
    if found is not None:
        return found
    subjects, skipped = _subjects(
        run, analysis, subject if subject in run.layers else None, _probe(run, analysis)
    )
    for one in subjects:
        if one.name == subject:
            return _made(run, analysis, one, _silent)
    why = next((one.reason for one in skipped if one.name == subject), "the run has no such layer")
    raise TrajectoryError(why)


def run_analysis(
    run: Run,
    analysis: Analysis,
    *,
    layers: str | Sequence[str] | None = None,
    budget: float | None = None,
    jobs: int = 1,
    progress: Progress | bool | None = None,
    probe: Probe | None = None,
) -> AnalysisResult:
    """Make an analysis; what is stored and fits the run and the code is not made again.

    Args:
        run: the run.
        analysis: which.
        layers: globs over parameter names; None for all that the analysis is made for.
        budget: seconds that it may take on one core; subjects beyond it are left out with their cost. None for no
            limit.
        jobs: threads that share the subjects and, within them, blocks of draws.
        progress: True to show it, False for silence, a callable to report to, None for a bar on terminals.
        probe: the network and samples of analyses that evaluate it; None for those that the run names.

    Returns:
        The nodes, and what was left out.
    """
    with shown(analysis.name, progress) as report:
        if analysis.unit == "run":
            tree, skipped = analysis.compute(
                run,
                layers,
                _context(run, analysis, report, analysis.name),
                jobs=jobs,
                probe=probe or Probe(run),
            )
            return AnalysisResult(analysis, tree, skipped)
        run.select(layers)
        try:
            subjects, skipped = _subjects(run, analysis, layers, probe or _probe(run, analysis))
        except EigentrailError as error:
            # The network that says which layers there are cannot be built: told as where a single layer fails.
            subjects, skipped = [], [Skipped(analysis.name, str(error))]
        nodes = {one.name: storing.load(run, analysis, one.name) for one in subjects}
        chosen = _affordable(analysis, [one for one in subjects if nodes[one.name] is None], budget, skipped)
        for name, result in _results(run, analysis, chosen, len(subjects), jobs, report):
            if isinstance(result, Skipped):
                skipped.append(result)
            else:
                nodes[name] = result
    done = {one.name: node for one in subjects if (node := nodes[one.name]) is not None}
    return AnalysisResult(analysis, storing.assembled(run, analysis, done), skipped)


def stored_analysis(
    run: Run, analysis: Analysis, layers: str | Sequence[str] | None = None
) -> AnalysisResult | None:
    """Give what is kept of an analysis, without making anything.

    Args:
        run: the run.
        analysis: which.
        layers: globs over the run's layers; None for all that is kept.

    Returns:
        The result; None where nothing is kept that fits the run and the code.
    """
    names = storing.stored_subjects(run, analysis, layers)
    loaded = {name: storing.load(run, analysis, name, latest=True) for name in names}
    nodes = {name: node for name, node in loaded.items() if node is not None}
    return AnalysisResult(analysis, storing.assembled(run, analysis, nodes)) if nodes else None


def _subjects(
    run: Run, analysis: Analysis, layers: str | Sequence[str] | None, probe: Probe
) -> tuple[list[Subject], list[Skipped]]:
    if analysis.subjects is not None:
        found: tuple[list[Subject], list[Skipped]] = analysis.subjects(run, layers, probe, analysis.arguments)
        return found
    if analysis.unit == "matrix":
        return matrices_of(run, layers)
    if analysis.unit == "layer":
        return layers_of(run, layers)
    return probed_of(run, layers, probe)


def _affordable(
    analysis: Analysis, subjects: Sequence[Subject], budget: float | None, skipped: list[Skipped]
) -> list[Subject]:
    """Keep the cheapest subjects within the budget, in their order; tell of the others."""
    if budget is None:
        return list(subjects)
    share, spent, chosen = budget / BUDGET, 0.0, set()
    for one in sorted(subjects, key=lambda one: analysis.cost(one.size)):
        seconds = analysis.cost(one.size)
        if seconds <= share * A_SUBJECT and spent + seconds <= budget:
            chosen.add(one.name)
            spent += seconds
        else:
            reason = (
                f"{analysis.name} of {one.size} over {one.size.steps} steps takes about {duration(seconds)}; ask for "
                f"it with --only {analysis.name}"
            )
            skipped.append(Skipped(one.name, reason))
    return [one for one in subjects if one.name in chosen]


def _results(
    run: Run, analysis: Analysis, subjects: Sequence[Subject], total: int, jobs: int, report: Progress
) -> list[tuple[str, xr.DataTree | Skipped]]:
    before = total - len(subjects)
    telling = _Telling(report)

    def one(place: int, subject: Subject) -> xr.DataTree | Skipped:
        # What is shared among threads of this process takes the threads of BLAS that its matrices are worth.
        threads = threads_for(_order(subject.size), jobs) if analysis.parallel else nullcontext()
        try:
            with threads:
                return _made(run, analysis, subject, telling.of(subject.name, before + place, total))
        except EigentrailError as error:
            return Skipped(subject.name, str(error))

    tasks = list(enumerate(subjects))
    with sharing(jobs):
        made = shared(one, tasks) if analysis.parallel else [one(*task) for task in tasks]
    report("done", total, total)
    return [(subject.name, result) for subject, result in zip(subjects, made, strict=True)]


def _order(size: Size) -> int:
    """Give the order of the symmetric matrices that a subject's numbers make."""
    return size.cols if size.cols > 1 else min(size.steps, size.n)


def _probe(run: Run, analysis: Analysis) -> Probe:
    return Probe(run, int(analysis.arguments.get("samples", SAMPLES)))


def _context(run: Run, analysis: Analysis, tell: Progress, subject: str) -> Context:
    known = analysis.arguments
    return Context(
        run, tell, int(known.get("seed", 0)), int(known.get("draws", DRAWS)), subject, analysis.arguments
    )


def _made(run: Run, analysis: Analysis, subject: Subject, tell: Progress) -> xr.DataTree:
    context = _context(run, analysis, tell, subject.name)
    return storing.keep(run, analysis, subject.name, analysis.compute(subject.open(), context))


class _Telling:
    """Tells of the work within subjects, not too often: a log is read by people."""

    def __init__(self, report: Progress) -> None:
        self._report = report
        self._lock = threading.Lock()
        self._throttle = Throttle(first=False)

    def of(self, subject: str, number: int, subjects: int) -> Progress:
        """Tell that a subject begins; give what is to be told of the work within it."""
        with self._lock:
            self._report(subject, number, subjects)

        def within(item: str, done: int, total: int) -> None:
            with self._lock:
                # One piece of work of its own is told at once, one of many not too often.
                if self._throttle.due() or total <= 1:
                    counted = f" {done} of {total}" if total > 1 else ""
                    self._report(f"{subject}: {item}{counted}", number, subjects)

        return within


def _silent(item: str, done: int, total: int) -> Any:
    del item, done, total


def duration(seconds: float) -> str:
    """Write a duration.

    Args:
        seconds: how long.

    Returns:
        Whole seconds, from a minute and a half on minutes.
    """
    return f"{max(1, round(seconds / 60))} min" if seconds >= BUDGET else f"{round(seconds)} s"
