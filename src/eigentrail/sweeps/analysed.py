"""Numbers of the analyses of a run as measures of a sweep: crossings, exponents, eigenvalues of the Hessian."""

from __future__ import annotations

import re

import numpy as np

from eigentrail._names import none_such
from eigentrail.analyses.framework.registry import analyses, find_analysis
from eigentrail.analyses.framework.runner import AnalysisResult, run_analysis, stored_analysis
from eigentrail.analyses.hessian.parameter_point import ParameterPoint
from eigentrail.curvature import Curvature
from eigentrail.errors import OptionError
from eigentrail.runs import Run

#: The largest eigenvalue of the Hessian of the mean training loss, of the whole network or of layers.
HESSIAN_TOP = "hessian_top"
_SAMPLES = 2000
_ANALYSIS = re.compile(r"(?P<name>[a-z][a-z0-9-]*)\.(?P<quantity>\w+)")


def analysed(what: str) -> tuple[str, str] | None:
    """Read the name of an analysis' number.

    Args:
        what: "crossings.leading_changes".

    Returns:
        The analysis and its quantity; None where it is the name of something else.

    Raises:
        OptionError: there is the analysis, but not the quantity.
    """
    found = _ANALYSIS.fullmatch(what)
    if found is None or found["name"] not in analyses():
        return None
    known = list(find_analysis(found["name"]).quantities)
    if found["quantity"] not in known:
        raise OptionError(none_such(found["quantity"], known, f"quantity of {found['name']}"))
    return found["name"], found["quantity"]


def of_analysis(run: Run, what: tuple[str, str], glob: str | None) -> tuple[float | None, str]:
    """Take a number from an analysis, which is kept with the run.

    Args:
        run: the run.
        what: from `analysed`.
        glob: over its layers; None for all.

    Returns:
        The mean over its rows; None where a row lacks it, with the reason.
    """
    name, quantity = what
    whole = find_analysis(name)
    about = whole.quantities[quantity]
    # Random walks take most of an analysis' time, and a sweep compares its runs with each other.
    if about.null is None and stored_analysis(run, whole, glob) is None:
        value, _ = _mean(run_analysis(run, whole.changed(draws=0), layers=glob, progress=False), quantity)
        if value is not None:
            return value, ""
    found = run_analysis(run, whole, layers=glob, progress=False)
    value, known = _mean(found, quantity)
    if not known:
        return None, found.skipped[0].reason if found.skipped else f"{name} has no row"
    return value, "" if value is not None else about.absent or f"{name} has no number {quantity} here"


def _mean(found: AnalysisResult, quantity: str) -> tuple[float | None, bool]:
    """Give the mean over the rows, None where one of them lacks the number, and whether there is a row."""
    values = [row[quantity] for row in found.rows]
    complete = bool(values) and all(isinstance(one, (int, float)) for one in values)
    return float(np.mean(values)) if complete else None, bool(values)


def hessian_top(run: Run, layers: str | None) -> float:
    """Compute the largest eigenvalue of the Hessian of the mean training loss at the last step.

    Args:
        run: a run that names its network and samples.
        layers: a glob over parameters; None for the whole network.

    Returns:
        The eigenvalue, over at most 2000 training samples, the same for every run.
    """
    point = ParameterPoint(run, int(run.steps[-1]), samples=_SAMPLES)
    return float(Curvature(point.model, point.loss, point.train, layers).top(1).values[0])
