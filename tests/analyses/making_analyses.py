"""Make one analysis of a run, with other arguments than the usual ones where asked."""

from __future__ import annotations

from typing import Any

import xarray as xr

from eigentrail.analyses import AnalysisResult, run_analysis
from eigentrail.analyses.framework.registry import find_analysis
from eigentrail.runs import Run


def made(
    run: Run,
    name: str,
    *,
    layers: Any = None,
    progress: Any = False,
    budget: float | None = None,
    **arguments: Any,
) -> AnalysisResult:
    analysis = find_analysis(name).changed(**arguments)
    return run_analysis(run, analysis, layers=layers, progress=progress, budget=budget)


def node_of(found: AnalysisResult | xr.DataTree, name: str) -> xr.DataTree:
    tree = found.tree if isinstance(found, AnalysisResult) else found
    return next(node for node in tree.children.values() if node.attrs["name"] == name)


def reasons(found: AnalysisResult) -> dict[str, str]:
    return {one.name: one.reason for one in found.skipped}
