"""An analysis made layer by layer: each layer's result is computed once and kept with the run."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import xarray as xr

from eigentrail._progress import Progress, shown
from eigentrail.errors import EigentrailError, RunWarning
from eigentrail.runs import Run
from eigentrail.runs.files import DiskError
from eigentrail.runs.layout import node_name

#: Analyses one layer: the run and the layer's name -> an xarray Dataset or DataTree.
LayerAnalysis = Callable[[Run, str], "xr.Dataset | xr.DataTree"]


def layer_by_layer(
    run: Run,
    name: str,
    one: LayerAnalysis,
    *,
    layers: Sequence[str],
    arguments: Mapping[str, Any] | None = None,
    version: int = 1,
    skipped: Sequence[str] = (),
    progress: Progress | bool | None = None,
) -> xr.DataTree:
    """Make an analysis of some layers; what is stored for the same steps and arguments is not made again.

    Args:
        run: the run.
        name: the analysis' name.
        one: analyses one layer; an `EigentrailError` that it raises becomes the reason why the layer is left out.
        layers: names of the layers, or of whatever else `one` takes.
        arguments: all that the result depends on besides run and layer, as plain data.
        version: the version of the analysis' own format.
        skipped: what is left out already, as "name: reason".
        progress: True to show it, False for silence, a callable to report to, None for a bar on terminals.

    Returns:
        A node per layer, named as the run's nodes are; `attrs["name"]` is the layer's true name. `attrs["skipped"]`
        lists what was left out, as "name: reason".
    """
    if callable(progress):
        return _made(run, name, one, layers, dict(arguments or {}), version, list(skipped), progress)
    with shown(name, progress) as report:
        return _made(run, name, one, layers, dict(arguments or {}), version, list(skipped), report)


def _made(
    run: Run,
    name: str,
    one: LayerAnalysis,
    layers: Sequence[str],
    arguments: dict[str, Any],
    version: int,
    skipped: list[str],
    progress: Progress,
) -> xr.DataTree:
    state = _state(run)
    nodes: dict[str, xr.DataTree] = {}
    for done, layer in enumerate(layers):
        progress(layer, done, len(layers))
        key = {"layer": layer, **arguments}
        found = run.analyses.get(name, key, version)
        if not isinstance(found, xr.DataTree) or not _fits(found, state):
            try:
                result = one(run, layer)
            except EigentrailError as error:
                skipped.append(f"{layer}: {error}")
                continue
            found = result if isinstance(result, xr.DataTree) else xr.DataTree(result)
            found.attrs = {**found.attrs, "name": layer, **state}
            try:
                run.analyses.put(name, found, key, version)
            except DiskError as error:
                warnings.warn(f"the {name} of {layer} is not kept: {error}", RunWarning, stacklevel=2)
        nodes[node_name(layer)] = found
    progress("done", len(layers), len(layers))
    tree = xr.DataTree(name=name).assign(nodes)
    tree.attrs = {"run": str(run.path), "skipped": skipped, **arguments}
    return tree


def is_stored(
    run: Run, name: str, layer: str, version: int = 1, arguments: Mapping[str, Any] | None = None
) -> bool:
    """Tell whether the analysis of a layer is stored and not older than the run.

    Args:
        run: the run.
        name: the analysis' name.
        layer: the layer's name.
        version: the version of the analysis' own format.
        arguments: as given to `layer_by_layer`.

    Returns:
        True where `layer_by_layer` would not make it again.
    """
    found = run.analyses.get(name, {"layer": layer, **(arguments or {})}, version)
    return isinstance(found, xr.DataTree) and _fits(found, _state(run))


def stored_layers(
    run: Run, name: str, version: int, layers: str | Sequence[str] | None = None
) -> xr.DataTree | None:
    """Give what is kept of an analysis, whatever its arguments (the latest), without making anything.

    Args:
        run: the run.
        name: the analysis' name.
        version: the version of the analysis' own format.
        layers: globs over the run's layers; None for all, and for what is kept of the whole network.

    Returns:
        A node per layer, as of `layer_by_layer`, in the order of the run's layers; None where nothing is kept that is
        as new as the run.
    """
    state = _state(run)
    found: dict[str, xr.DataTree] = {}
    listed = run.analyses.keys()
    for key in listed:
        if key["analysis"] == name and key["version"] == version and "layer" in key["arguments"]:
            kept = run.analyses.get(name, key["arguments"], version)
            if isinstance(kept, xr.DataTree) and _fits(kept, state):
                found[str(key["arguments"]["layer"])] = kept
    names = [layer for layer in run.select(layers) if layer in found]
    if layers is None:
        names += [layer for layer in found if layer not in names]
    if not names:
        return None
    tree = xr.DataTree(name=name).assign({node_name(layer): found[layer] for layer in names})
    tree.attrs = {"run": str(run.path), "skipped": []}
    return tree


def _state(run: Run) -> dict[str, Any]:
    # A run that has grown has other trajectories; its identity alone stays the same while it grows.
    return {"generation": run.generation, "last_step": int(run.steps[-1]), "count": len(run.steps)}


def _fits(found: xr.DataTree, state: Mapping[str, Any]) -> bool:
    return all(found.attrs.get(key) == value for key, value in state.items())
