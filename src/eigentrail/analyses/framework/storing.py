"""Results of an analysis, a node per subject, kept with the run: computed once, and again when run or code changed."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import xarray as xr

from eigentrail.analyses.framework.contract import Analysis
from eigentrail.analyses.framework.registry import find_analysis
from eigentrail.errors import DiskError, RunWarning
from eigentrail.findings import Skipped
from eigentrail.runs import Run
from eigentrail.runs.layout import node_name
from eigentrail.runs.manifest import plain

_STATE = ("generation", "last_step", "count")


def versions_of(analysis: Analysis) -> dict[str, int]:
    """Give the versions of all that makes a result.

    Args:
        analysis: the analysis.

    Returns:
        Its own version and those of the analyses that it reads, by name.
    """
    found = {analysis.name: analysis.version}
    for name in analysis.after:
        found |= versions_of(find_analysis(name))
    return found


def _key(run: Run, analysis: Analysis, subject: str) -> dict[str, Any]:
    key = {"layer": subject, "versions": versions_of(analysis), **analysis.arguments}
    given = _given_to(run, analysis)
    return {**key, "given": given} if given else key


def _given_to(run: Run, analysis: Analysis) -> dict[str, str]:
    """What the result depends on of that which the user gave."""
    needed = {"model": analysis.needs.network, "data": analysis.needs.data, "loss": analysis.needs.network}
    return {name: digest for name, digest in run.given.told.items() if needed[name]} if run.given else {}


def _latest(run: Run, analysis: Analysis, subject: str) -> Any:
    """Find the latest result of a subject, of whatever its user gave for network, samples and loss."""
    own = plain(_key(run, analysis, subject), "a key")
    for told in reversed(run.analyses.keys()):
        arguments = dict(told["arguments"])
        given = arguments.pop("given", None)
        if (told["analysis"], told["version"], arguments) == (analysis.name, analysis.version, own):
            key = own if given is None else {**own, "given": given}
            return run.analyses.get(analysis.name, key, analysis.version)
    return None


def state_of(run: Run) -> dict[str, Any]:
    """Say which state of a run a result is of: a run that has grown has other trajectories.

    Args:
        run: the run.

    Returns:
        Its generation, last step and number of steps.
    """
    return {"generation": run.generation, "last_step": int(run.steps[-1]), "count": len(run.steps)}


def load(run: Run, analysis: Analysis, subject: str, *, latest: bool = False) -> xr.DataTree | None:
    """Give the stored node of a subject.

    Args:
        run: the run.
        analysis: the analysis.
        subject: the subject's name.
        latest: whether the latest result will do, made with whatever network, samples and loss somebody gave then,
            where nothing is given to the run now.

    Returns:
        The node; None where nothing is kept that fits the run and the code.
    """
    if latest and not run.given and (analysis.needs.network or analysis.needs.data):
        found = _latest(run, analysis, subject)
    else:
        found = run.analyses.get(analysis.name, _key(run, analysis, subject), analysis.version)
    if not isinstance(found, xr.DataTree):
        return None
    state = state_of(run)
    return found if all(found.attrs.get(key) == value for key, value in state.items()) else None


def keep(run: Run, analysis: Analysis, subject: str, result: xr.DataTree | xr.Dataset) -> xr.DataTree:
    """Store the node of a subject.

    Args:
        run: the run.
        analysis: the analysis.
        subject: the subject's name.
        result: its numbers.

    Returns:
        The node, with the subject's name and the run's state among its attributes.
    """
    node = result if isinstance(result, xr.DataTree) else xr.DataTree(result)
    node.attrs = {**node.attrs, "name": subject, **state_of(run)}
    try:
        run.analyses.put(analysis.name, node, _key(run, analysis, subject), analysis.version)
    except DiskError as error:
        warnings.warn(f"the {analysis.name} of {subject} is not kept: {error}", RunWarning, stacklevel=2)
    return node


def stored_subjects(run: Run, analysis: Analysis, layers: str | Sequence[str] | None = None) -> list[str]:
    """List the subjects of which a result is kept that fits the run and the code.

    Args:
        run: the run.
        analysis: the analysis.
        layers: globs over the run's layers; None for all, and for what is kept of the whole network.

    Returns:
        Their names, in the order of the run's layers.
    """
    versions = versions_of(analysis)
    kept = [
        str(key["arguments"]["layer"])
        for key in run.analyses.keys()  # noqa: SIM118  (no mapping)
        if key["analysis"] == analysis.name
        and key["version"] == analysis.version
        and key["arguments"].get("versions") == versions
        and "layer" in key["arguments"]
        and load(run, analysis, str(key["arguments"]["layer"]), latest=True) is not None
    ]
    names = [layer for layer in run.select(layers) if layer in kept]
    if layers is None:
        names += [layer for layer in dict.fromkeys(kept) if layer not in names]
    return names


def assembled(run: Run, analysis: Analysis, nodes: dict[str, xr.DataTree]) -> xr.DataTree:
    """Put the nodes of subjects together.

    Args:
        run: the run.
        analysis: the analysis.
        nodes: by the subjects' names.

    Returns:
        A node per subject, named as the run's nodes are; `attrs["name"]` is the subject's true name.
    """
    tree = xr.DataTree(name=analysis.name).assign({node_name(name): node for name, node in nodes.items()})
    tree.attrs = {"run": str(run.path), **analysis.arguments}
    return tree


def skipped_told(skipped: Sequence[Skipped]) -> list[dict[str, str]]:
    """Give reasons as plain values, as JSON has them.

    Args:
        skipped: what was left out.

    Returns:
        `name` and `reason` of each.
    """
    return [one.to_dict() for one in skipped]
