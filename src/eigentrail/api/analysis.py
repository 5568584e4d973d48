"""`analyze`: the analyses of a run, computed once and kept with it."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from eigentrail._numbers import check_jobs
from eigentrail._progress import Progress
from eigentrail.errors import OptionError
from eigentrail.runs import Run, open_run
from eigentrail.studies.analyses import ANALYSES, Compute, choose_analyses
from eigentrail.studies.motion import WHOLE

# So many files are named one by one.
_LISTED = 3


@dataclass(frozen=True)
class RunAnalysis:
    """What is known about a run.

    Attributes:
        run: the run.
        results: the result of each analysis over steps, by name.
    """

    run: Run
    results: dict[str, xr.DataTree]

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Each analysis summed up, by name; None in a cell for what is missing."""
        return {name: ANALYSES[name].tabulate(result) for name, result in self.results.items()}

    def to_dict(self) -> dict[str, Any]:
        """Give the summary as plain values, as `--format json` prints it.

        Returns:
            `run`, `status`, `first_step`, `last_step`, `steps`, `metrics` (the last value of each), for each
            analysis its table as a list of rows, and `skipped`: for each analysis what was left out, as
            "name: reason". Never NaN or infinite.
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
        document["skipped"] = {
            name: list(result.attrs.get("skipped", [])) for name, result in self.results.items()
        }
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
        return f"RunAnalysis({str(self.run.path)!r}: {', '.join(self.results)})"


def analyze(
    run: Run | str | os.PathLike[str],
    only: str | Sequence[str] | None = None,
    *,
    also: Sequence[str] = (),
    layers: str | list[str] | None = None,
    jobs: int = 1,
    progress: bool | Progress | None = None,
    trust: bool = False,
    share: float = 1.0,
) -> RunAnalysis:
    """Analyse a run; what was computed before is not computed again.

    Args:
        run: a run, or the folder of one.
        only: names of analyses; "all" for all; None for those that every run can have in little time, of the layers
            for which they take little time, and for what was made of the others before.
        also: names of analyses to make besides.
        layers: globs over parameter names, a module's name stands for its weight; None for all.
        jobs: processes that work in parallel, -1 for one per core.
        progress: True to show it, False for silence, a callable to report to, None for a bar on terminals.
        trust: of a folder, as for `open_run`: True to import and call whatever the run names to build its network and
            to load its samples. A run that is open already has its own.
        share: of the time that an analysis may take which is not named: a minute and a half on one core, or more where
            `evolution` needs it.

    Returns:
        The results; `attrs["skipped"]` of each lists what was left out, and that of the first one also the checkpoints
        of a folder in which a layer is lacking or has another shape.

    Raises:
        OptionError: an argument is outside what it may be.
    """
    check_jobs(jobs)
    if not share >= 0:
        raise OptionError(f"share={share}: give a share of the usual time, 0 or more")
    besides = {one.name: one.compute for one in choose_analyses(also)} if also else {}
    wanted: dict[str, Compute] = {
        one.name: partial(one.quick, share=share) if only is None and one.quick is not None else one.compute
        for one in choose_analyses(only)
    }
    opened = run if isinstance(run, Run) else open_run(run, trust=trust)
    results = {
        name: compute(opened, layers=layers, jobs=jobs, progress=progress)
        for name, compute in {**wanted, **besides}.items()
    }
    if only is None:
        results |= {
            one.name: kept
            for one in ANALYSES.values()
            if one.name not in results and (kept := one.stored(opened, layers)) is not None
        }
    # It concerns all analyses alike and is told once.
    first = next(iter(results.values()))
    first.attrs["skipped"] = [*first.attrs.get("skipped", []), *_left_out(opened, layers, results)]
    return RunAnalysis(opened, results)


def _left_out(run: Run, layers: str | list[str] | None, results: dict[str, xr.DataTree]) -> list[str]:
    """Say at which checkpoints layers are not analysed, as "name: reason"."""
    told = []
    for name in run.select(layers):
        by_reason: dict[str, list[str]] = {}
        for one in run.layers[name].left_out:
            by_reason.setdefault(one.reason, []).append(one.name)
        for reason, files in by_reason.items():
            listed = ", ".join(files) if len(files) <= _LISTED else f"{files[0]} to {files[-1]}"
            told.append(f"{name} at {len(files)} of {len(run.steps)} checkpoints: it {reason} ({listed})")
    whole = any(
        node.attrs.get("name") == WHOLE for tree in results.values() for node in tree.children.values()
    )
    if told and whole:
        shared = set.intersection(*(set(info.steps.tolist()) for info in run.layers.values()))
        told.append(
            f"{WHOLE} at {len(run.steps) - len(shared)} of {len(run.steps)} checkpoints: one of its layers is left "
            "out there"
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
