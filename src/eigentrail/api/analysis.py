"""`analyze`: the analyses of a run, computed once and kept with it."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import xarray as xr
from torch import nn

from eigentrail._names import Called
from eigentrail._progress import Progress
from eigentrail.analyses.framework.registry import choose_analyses
from eigentrail.analyses.framework.runner import BUDGET, AnalysisResult, run_analysis, stored_analysis
from eigentrail.analyses.framework.subjects import WHOLE
from eigentrail.errors import OptionError
from eigentrail.findings import Finding, Skipped, strongest_first
from eigentrail.linalg.threads import within_cores
from eigentrail.linalg.workers import most_workers
from eigentrail.runs import Run, open_run

# So many files are named one by one.
_LISTED = 3


@dataclass(frozen=True)
class RunAnalysis:
    """What is known about a run.

    Attributes:
        run: the run.
        found: the result of each analysis, by name.
        left_out: checkpoints of a folder at which a layer is lacking or has another shape.
    """

    run: Run
    found: dict[str, AnalysisResult]
    left_out: tuple[Skipped, ...] = ()

    @property
    def results(self) -> dict[str, xr.DataTree]:
        """The numbers of each analysis over steps, a node per layer, by name."""
        return {name: one.tree for name, one in self.found.items()}

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Each analysis summed up, by name; None in a cell for what is missing."""
        return {name: one.table for name, one in self.found.items()}

    @property
    def findings(self) -> list[Finding]:
        """The findings of all analyses, the strongest first, each corrected for how many were asked the same."""
        return strongest_first(finding for one in self.found.values() for finding in one.findings)

    @property
    def skipped(self) -> dict[str, list[Skipped]]:
        """What each analysis left out, and why."""
        found = {name: list(one.skipped) for name, one in self.found.items()}
        if found and self.left_out:
            # It concerns all analyses alike and is told once.
            first = next(iter(found))
            found[first] += self.left_out
        return found

    @property
    def summary(self) -> pd.DataFrame:
        """The findings as a table, the strongest first."""
        rows = [one.to_dict() for one in self.findings]
        shown = ("subject", "question", "verdict", "sentence", "p", "p_adjusted", "asked", "needs_look")
        return pd.DataFrame([{key: row[key] for key in shown} for row in rows], columns=list(shown))

    def plot(self, name: str | None = None, layer: str | None = None) -> Any:
        """Draw a figure of an analysis.

        Args:
            name: the analysis, or "analysis/figure" ("drift/walks"); None for the first that has a figure.
            layer: whose; None for the first one.

        Returns:
            A plotly figure.

        Raises:
            OptionError: there is no such analysis, figure or layer.
        """
        if name is None:
            name = next((one for one, figures in self.figures.items() if figures), "")
        analysis, _, key = name.partition("/")
        found = self[analysis]
        nodes = {str(node.attrs["name"]): node for node in found.tree.children.values()}
        chosen = layer if layer is not None else next(iter(nodes), None)
        if chosen not in nodes:
            raise OptionError(f'{analysis} has no layer "{chosen}": there are {", ".join(nodes) or "none"}')
        node = nodes[chosen]
        drawable = {one.key: one for one in found.analysis.figures if one.when is None or one.when(node)}
        one = drawable.get(key) if key else next(iter(drawable.values()), None)
        if one is None:
            raise OptionError(
                f'{analysis} of {chosen} has no figure "{key}": there are {", ".join(drawable)}'
            )
        return one.draw(node, f"{chosen}: {one.title}")

    @property
    def figures(self) -> dict[str, list[str]]:
        """The names of the figures of each analysis, for `plot`."""
        return Called(
            (name, [figure.key for figure in one.analysis.figures]) for name, one in self.found.items()
        )

    def _repr_html_(self) -> str:
        return str(self.summary.to_html(index=False))

    def __getattr__(self, name: str) -> AnalysisResult:
        found = self.__dict__.get("found", {})
        known = {key.replace("-", "_"): one for key, one in found.items()}
        if name in known:
            return known[name]  # type: ignore[no-any-return]
        raise AttributeError(f"there is no {name} here: the analyses are {', '.join(found)}")

    def __getitem__(self, name: str) -> AnalysisResult:
        """Give the result of an analysis."""
        if name not in self.found:
            raise OptionError(f'there is no analysis "{name}" here: there are {", ".join(self.found)}')
        return self.found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.found)

    def __len__(self) -> int:
        return len(self.found)

    def to_dict(self) -> dict[str, Any]:
        """Give the summary as plain values, as `--format json` prints it.

        Returns:
            `run`, `status`, `first_step`, `last_step`, `steps`, `metrics` (the last value of each), for each
            analysis its table as a list of rows, `findings`, and `skipped`: for each analysis what was left out, with
            `name` and `reason`. Never NaN or infinite.
        """
        steps = self.run.steps
        last = {}
        for name, values in self.run.metrics.data_vars.items():
            known = values.dropna("step")
            last[str(name)] = float(known[-1]) if known.size else None
        document: dict[str, Any] = {
            "run": str(self.run.path),
            "status": self.run.status,
            "steps": len(steps),
            "first_step": int(steps[0]),
            "last_step": int(steps[-1]),
            "metrics": last,
        }
        for name, table in self.tables.items():
            document[name] = table.to_dict(orient="records")
        document["findings"] = [one.to_dict() for one in self.findings]
        document["skipped"] = {name: [one.to_dict() for one in left] for name, left in self.skipped.items()}
        plain: dict[str, Any] = _plain(document)
        return plain

    def to_json(self) -> str:
        """Give the summary as one JSON document.

        Returns:
            JSON text without NaN or Infinity.
        """
        return json.dumps(self.to_dict(), allow_nan=False)

    def report(self, path: str | os.PathLike[str] | None = None) -> Path:
        """Write the self-contained page.

        Args:
            path: the HTML file to write, or a folder for `report.html`; None for the run's own folder.

        Returns:
            The path of the page.
        """
        from eigentrail.api.run_report import report_runs

        return report_runs([self], path)

    def __repr__(self) -> str:
        return f"RunAnalysis({str(self.run.path)!r}: {', '.join(self.found)})"


def analyze(
    run: Run | str | os.PathLike[str],
    only: str | Sequence[str] | None = None,
    *,
    also: Sequence[str] = (),
    layers: str | list[str] | None = None,
    model: nn.Module | Callable[[], nn.Module] | None = None,
    data: Any = None,
    loss: Callable[..., torch.Tensor] | str | None = None,
    jobs: int | None = None,
    progress: bool | Progress | None = None,
    trust: bool = False,
    share: float = 1.0,
    budget: float | None = None,
) -> RunAnalysis:
    """Analyse a run; what was computed before is not computed again.

    The analyses that evaluate the network take `model`, `data` and `loss` in place of what the run names; a run of
    one's own loop often names none of them. Results are kept for these; where nothing is given, the latest are shown.

    Args:
        run: a run, or the folder of one.
        only: names of analyses; "all" for all; None for those that every run can have in little time, of the layers
            for which they take little time, and for what was made of the others before.
        also: names of analyses to make besides.
        layers: globs over parameter names, a module's name stands for its weight; None for all.
        model: the network, or a class or function that gives one when called without arguments; the weights of each
            step are loaded into a copy of it.
        data: a pair of tensors (inputs, targets), a Dataset, a DataLoader, a `Data`, the name of a data set, or
            {"train": ..., "test": ...} of these; alone they are the training samples.
        loss: loss(outputs, targets), a mean over samples, or "cross-entropy" or "squared-error".
        jobs: how many workers share the layers and blocks of draws; None for one a core that the process may use, as
            OMP_NUM_THREADS too allows, -1 for one a core whatever that says. The numbers are the same for any.
        progress: True to show it, False for silence, a callable to report to, None for a bar on terminals.
        trust: of a folder, as for `open_run`: True to import and call whatever the run names to build its network and
            to load its samples. A run that is open already has its own.
        share: of the time that an analysis may take which is not named.
        budget: seconds that each analysis may take on one core which is not named; None for a minute and a half.

    Returns:
        The results, their tables, findings, and what was left out.

    Raises:
        OptionError: an argument is outside what it may be.
        RunError: `model` gives no network.
    """
    workers = most_workers(jobs)
    if not share >= 0:
        raise OptionError(f"share={share}: give a share of the usual time, 0 or more")
    if budget is not None and not budget >= 0:
        raise OptionError(f"budget={budget}: give a number of seconds, 0 or more")
    seconds = share * (BUDGET if budget is None else budget)
    named = {one.name: one for one in [*(choose_analyses(also) if also else ())]}
    wanted = {one.name: one for one in choose_analyses(only)}
    opened = run if isinstance(run, Run) else open_run(run, trust=trust)
    if any(one is not None for one in (model, data, loss)):
        opened = opened.with_given(model, data, loss)
    if model is not None:
        # What gives no network is told now, not as a reason for an empty table.
        opened.given.network()
    found = {}
    for name, one in {**wanted, **named}.items():
        limit = seconds if only is None and name not in named else None
        with within_cores():
            found[name] = run_analysis(
                opened, one, layers=layers, budget=limit, jobs=workers, progress=progress
            )
    if only is None:
        for one in choose_analyses("all"):
            if one.name not in found and (kept := stored_analysis(opened, one, layers)) is not None:
                found[one.name] = kept
    return RunAnalysis(opened, found, tuple(_left_out(opened, layers, found)))


def _left_out(run: Run, layers: str | list[str] | None, found: dict[str, AnalysisResult]) -> list[Skipped]:
    """Say at which checkpoints layers are not analysed."""
    told = []
    for name in run.select(layers):
        by_reason: dict[str, list[str]] = {}
        for one in run.layers[name].left_out:
            by_reason.setdefault(one.reason, []).append(one.name)
        for reason, files in by_reason.items():
            listed = ", ".join(files) if len(files) <= _LISTED else f"{files[0]} to {files[-1]}"
            at = f"at {len(files)} of {len(run.steps)} checkpoints it {reason} ({listed})"
            told.append(Skipped(name, at))
    whole = any(
        node.attrs.get("name") == WHOLE for one in found.values() for node in one.tree.children.values()
    )
    if told and whole:
        shared = set.intersection(*(set(info.steps.tolist()) for info in run.layers.values()))
        told.append(
            Skipped(
                WHOLE,
                f"at {len(run.steps) - len(shared)} of {len(run.steps)} checkpoints one of its layers is left out",
            )
        )
    return told


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
