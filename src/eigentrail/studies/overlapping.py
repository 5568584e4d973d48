"""The analysis `overlap`: components of the weights beside singular matrices and beside components of the updates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float64

from eigentrail._progress import Progress
from eigentrail.bases import overlap, singular
from eigentrail.chance import compare, requested
from eigentrail.errors import SpectrumError
from eigentrail.runs import Run
from eigentrail.spectra import Spectrum
from eigentrail.studies.layerwise import layer_by_layer
from eigentrail.studies.motion import WALK_STEPS, WHOLE, Motion, motion_names, open_motion
from eigentrail.studies.principal import stored_basis, stored_components
from eigentrail.trajectories.gram import gram, walk_origin
from eigentrail.trajectories.overlap_nulls import OverlapNull, singular_null, updates_null
from eigentrail.trajectories.rows import open_rows

NAME = "overlap"
VERSION = 3
OVERLAP_SHOWN = (
    *("name", "chance", "singular_largest", "singular_times_chance", "singular_percentile"),
    *(
        "spikes",
        "spike_share",
        "update_largest",
        "update_times_chance",
        "updates_share",
        "updates_percentile",
    ),
)
#: Singular matrices that are looked at, the largest first.
SINGULAR = 128
#: Components of the updates in which the first one of the weights is looked for.
LEADING = 10
# Steps and draws of the walks of whole matrices, and the numbers that all of them may take.
_WALK_STEPS, _DRAWS, _FEWEST_DRAWS, _NUMBERS = 30, 60, 20, 4 * 10**8
_LARGEST = 2048


def overlapping(
    run: Run,
    *,
    layers: str | list[str] | None = None,
    jobs: int = 1,
    progress: Progress | bool | None = None,
    share: float | None = None,
) -> xr.DataTree:
    """Lay the components of each layer's weights over its singular matrices and over those of its updates.

    Args:
        run: the run.
        layers: globs over parameter names; None for all weights with two or more dimensions and the whole network.
        jobs: one process does the work, whatever this is.
        progress: True to show it, False for silence, a callable to report to, None for a bar on terminals.
        share: a number to leave out what does not take seconds, 1, or that share of them; None for all.

    Returns:
        A node per layer, and "(whole network)". `with_singular` [component, singular], |<p_i, s_j>| with the largest
        128 singular matrices of the last step, with `value` [singular]; for tensors with two or more dimensions, the
        later ones taken together. `with_updates` [component, update], |<p_i, u_j>|. Attributes: `n`; `chance`, the
        mean for a random direction, sqrt(2 / (pi n)); `spikes`, how many singular values lie above the Marchenko-Pastur
        bulk; and beside walks, each with a variable `_null` [draw]: `largest_singular`, the largest overlap of the
        first component with a singular matrix, beside walks of untrained matrices; `updates_share`, its share in the
        leading ten components of the updates, beside walks with the observed updates and random signs.
    """
    del jobs
    names, skipped = motion_names(run, layers, NAME, VERSION, share=share)
    return layer_by_layer(run, NAME, _one, layers=names, version=VERSION, skipped=skipped, progress=progress)


def _one(run: Run, name: str) -> xr.Dataset:
    node = stored_components(run, name)
    motion = open_motion(run, name)
    weights = stored_basis(node)
    notes = [*motion.notes]
    data = xr.Dataset(coords={"variance": ("component", np.asarray(weights.values))})
    attributes: dict[str, Any] = {"n": weights.n, "chance": float(np.sqrt(2.0 / (np.pi * weights.n)))}
    if name != WHOLE and motion.weights.ndim > 2:
        data, more = _with_singular(data, motion, node, notes)
        attributes |= more
    if "updates" in node.children:
        updates = stored_basis(node, "updates")
        found = overlap(weights, updates)
        data["with_updates"] = (("component", "update"), found.values)
        attributes["updates_chance_largest"] = found.attrs["chance_largest"]
        thinned = open_rows(motion.thinned(WALK_STEPS))
        if len(thinned) > LEADING + 2:
            times, memory = np.asarray(thinned.steps, dtype=np.float64), motion.memory
            g = gram(thinned, walk_origin(thinned, memory))
            beside = updates_null(g, LEADING, requested.ENOUGH, 0, times, memory)
            data = _beside(data, "updates_share", beside)
    data.attrs = {**data.attrs, **attributes, "notes": notes}
    return data


def _with_singular(
    data: xr.Dataset, motion: Motion, node: xr.DataTree, notes: list[str]
) -> tuple[xr.Dataset, dict[str, Any]]:
    last = _matrix(motion.weights.isel(step=[-1]))[0]
    basis = singular(last, min(*last.shape, SINGULAR))
    found = overlap(stored_basis(node), basis)
    data["with_singular"] = (("component", "singular"), found.values)
    data["value"] = ("singular", np.asarray(basis.values))
    attributes: dict[str, Any] = {
        "singular_chance_largest": found.attrs["chance_largest"],
        "rows": last.shape[0],
        "cols": last.shape[1],
    }
    if min(last.shape) <= _LARGEST:
        try:
            attributes["spikes"] = int(Spectrum.from_matrix(last).marchenko_pastur().spikes)
        except SpectrumError as error:
            notes.append(f"spikes: {error}")
    draws = int(min(_DRAWS, _NUMBERS // (_WALK_STEPS * last.size)))
    if draws < _FEWEST_DRAWS:
        notes.append(
            f"no walks of untrained {last.shape[0]} x {last.shape[1]} matrices are drawn: they would take minutes"
        )
        return data, attributes
    thinned = _matrix(motion.thinned(_WALK_STEPS))
    steps = open_rows(motion.thinned(_WALK_STEPS)).steps
    beside = singular_null(thinned, draws, 0, motion.memory.colour_of(steps))
    return _beside(data, "largest_singular", beside), attributes


def _matrix(x: xr.DataArray) -> Float64[np.ndarray, "t n m"]:
    values = np.asarray(x.values, dtype=np.float64)
    return values.reshape(len(values), values.shape[1], -1)


def _beside(data: xr.Dataset, name: str, found: OverlapNull) -> xr.Dataset:
    return data.assign({f"{name}_null": (f"{name}_draw", found.null)}).assign_attrs({name: found.observed})


def overlap_table(tree: xr.DataTree) -> pd.DataFrame:
    """Sum up the overlaps of all layers.

    Args:
        tree: what `overlapping` made.

    Returns:
        A row per layer: `name`; `chance`; of the singular matrices `singular_largest`, where it is (`component` and
        `singular`, counted from 1), `singular_times_chance`, `singular_percentile` of the first component's among
        walks of untrained matrices, `spikes` of the last step and `spike_share` of the first component in their
        singular matrices beside `spike_share_chance`; of the updates `update_largest`, `update_times_chance`,
        `updates_share` of the first component in their leading ten, `updates_share_chance` of a random direction,
        `updates_share_thinned` of the steps that walks are drawn at and its `updates_percentile` among walks with
        random signs; `notes`; `verdict`. None where there is no such number.
    """
    return pd.DataFrame([_row(node) for node in tree.children.values()])


def _row(node: xr.DataTree) -> dict[str, Any]:
    data, about = node.to_dataset(), node.attrs
    row: dict[str, Any] = {"name": about["name"], "chance": float(about["chance"])}
    row |= dict.fromkeys(
        ("singular_largest", "component", "singular", "singular_times_chance", "singular_percentile",
         "spikes", "spike_share", "spike_share_chance",
         "update_largest", "update_times_chance", "updates_share", "updates_share_chance", "updates_share_thinned",
         "updates_percentile")
    )  # fmt: skip
    if "with_singular" in data:
        values = data["with_singular"].values
        i, j = np.unravel_index(values.argmax(), values.shape)
        row["singular_largest"] = float(values[i, j])
        row["component"], row["singular"] = int(i) + 1, int(j) + 1
        row["singular_times_chance"] = float(values[i, j]) / about["chance"]
        row["singular_percentile"] = _percentile(data, "largest_singular")
        spikes = about.get("spikes")
        row["spikes"] = None if spikes is None else int(spikes)
        if spikes and spikes <= values.shape[1]:
            row["spike_share"] = float((values[0, : int(spikes)] ** 2).sum())
            row["spike_share_chance"] = float(spikes) / about["n"]
    if "with_updates" in data:
        values = data["with_updates"].values
        row["update_largest"] = float(values.max())
        row["update_times_chance"] = float(values.max()) / about["chance"]
        row["updates_share"] = float((values[0, :LEADING] ** 2).sum())
        row["updates_share_chance"] = min(LEADING, values.shape[1]) / about["n"]
        row["updates_percentile"] = _percentile(data, "updates_share")
        # The walks are of fewer steps: beside them stands the share at these.
        row["updates_share_thinned"] = about.get("updates_share")
    return {**row, "notes": list(about["notes"]), "verdict": _sentence(row)}


def _percentile(data: xr.Dataset, name: str) -> float | None:
    if name not in data.attrs:
        return None
    return compare(data.attrs[name], data[f"{name}_null"].values).percentile


def _sentence(row: dict[str, Any]) -> str:
    said = []
    if row["singular_largest"] is not None:
        said.append(
            f"The largest overlap with a singular matrix is {row['singular_largest']:.2f} "
            f"(component {row['component']}, singular value {row['singular']}), "
            f"{row['singular_times_chance']:.0f} times that of a random direction"
            + (
                ""
                if row["singular_percentile"] is None
                else f"; for the first component {_judged(row['singular_percentile'])} what walks of untrained "
                "matrices give"
            )
            + "."
        )
    if row["spike_share"] is not None:
        said.append(
            f"{row['spike_share']:.0%} of the first component lies in the {_matrices(row['spikes'])} above the "
            f"Marchenko-Pastur bulk (chance {100 * row['spike_share_chance']:.2g}%)."
        )
    if row["update_largest"] is not None:
        said.append(
            f"{100 * row['updates_share']:.3g}% of the first component lies in the leading {LEADING} components of the "
            f"updates (chance {100 * row['updates_share_chance']:.2g}%)"
            + (
                ""
                if row["updates_percentile"] is None
                else f"; at the walks' steps it is {100 * row['updates_share_thinned']:.3g}%, "
                f"{_judged(row['updates_percentile'])} what the same updates with random signs give"
            )
            + "."
        )
    return " ".join(said)


def _matrices(count: int) -> str:
    return "one singular matrix" if count == 1 else f"{count} singular matrices"


def _judged(percentile: float) -> str:
    if percentile > 97.5:
        return f"more than (percentile {percentile:.3g})"
    if percentile < 2.5:
        return f"less than (percentile {percentile:.3g})"
    return f"no different from (percentile {percentile:.3g})"
