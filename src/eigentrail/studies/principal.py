"""The analysis `pca`: principal components of the weights and of their updates, for each layer and all together."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float64

from eigentrail._progress import Progress
from eigentrail.bases import Basis
from eigentrail.chance import compare, requested
from eigentrail.errors import NumericalWarning, TrajectoryError
from eigentrail.runs import Run
from eigentrail.studies.layerwise import layer_by_layer
from eigentrail.studies.motion import TOLERANCE, WALK_STEPS, WHOLE, Motion, motion_names, open_motion
from eigentrail.trajectories.gram import gram, walk_origin
from eigentrail.trajectories.pca import PrincipalComponents, components_of, weights_gram
from eigentrail.trajectories.rows import Rows, open_rows
from eigentrail.trajectories.scree import flipped_shares, noise_shares, walk_shares

NAME = "pca"
VERSION = 2
PCA_SHOWN = (
    *("name", "parameters", "steps", "share_1", "share_2", "share_1_flipped_high", "share_1_percentile"),
    *("components_90", "update_share_1", "update_share_1_noise"),
)
_NULL_COMPONENTS = 10


def principal_components(
    run: Run,
    *,
    layers: str | list[str] | None = None,
    jobs: int = 1,
    progress: Progress | bool | None = None,
    share: float | None = None,
) -> xr.DataTree:
    """Find the directions along which the layers of a run move, and those of their updates.

    Args:
        run: the run.
        layers: globs over parameter names; None for all weights with two or more dimensions and the whole network.
        jobs: one process does the work, whatever this is.
        progress: True to show it, False for silence, a callable to report to, None for a bar on terminals.
        share: a number to leave out what does not take seconds, 1, or that share of them; None for all.

    Returns:
        A node per layer, and "(whole network)", with the children `weights` and `updates` (the latter only where they
        differ from each other). Variables of each: `variance`, `share`, `error` [component], see
        `PrincipalComponents`; `scores` [step, component]; `directions` [component, parameter] and `mean` [parameter]
        in float32; `null_share` [component], that of a random walk in high dimension or of noise of the updates'
        shape. Of the weights also, at `attrs["walk_steps"]` steps, `thinned_share` [leading] and `flipped_share`
        [draw, leading], that of walks with the observed updates and random signs.
    """
    del jobs
    names, skipped = motion_names(run, layers, NAME, VERSION, share=share)
    return layer_by_layer(run, NAME, _one, layers=names, version=VERSION, skipped=skipped, progress=progress)


def stored_components(run: Run, name: str) -> xr.DataTree:
    """Give the components of one layer, from the run where they are stored.

    Args:
        run: the run.
        name: a layer's name, or that of the whole network.

    Returns:
        Its node.

    Raises:
        TrajectoryError: it has none.
    """
    found = layer_by_layer(run, NAME, _one, layers=[name], version=VERSION, progress=False)
    if not found.children:
        raise TrajectoryError(found.attrs["skipped"][0].partition(": ")[2])
    return next(iter(found.children.values()))


def stored_basis(node: xr.DataTree, of: str = "weights") -> Basis:
    """Make a basis of the stored directions.

    Args:
        node: a layer's node.
        of: "weights" or "updates".

    Returns:
        The directions, with the variances as their values.
    """
    data = node[of].to_dataset()
    return Basis(data["directions"].values.astype(np.float64), data["variance"].values)


def components_from(node: xr.DataTree) -> PrincipalComponents:
    """Make the components of the weights again from what is stored.

    Args:
        node: a layer's node.

    Returns:
        The components; directions and mean to float32.
    """
    data = node["weights"].to_dataset()
    return PrincipalComponents(
        basis=stored_basis(node),
        variances=data["variance"].values,
        scores=data["scores"],
        mean=data["mean"].values.astype(np.float64),
        total=float(data["total"]),
        of="weights",
        errors=data["error"].values,
    )


def _one(run: Run, name: str) -> xr.DataTree:
    motion = open_motion(run, name)
    rows = open_rows(motion.weights)
    notes = list(motion.notes)
    known = weights_gram(rows) if motion.method == "exact" and len(rows) <= rows.n else None
    weights = _components(rows, "weights", motion, notes, known)
    parts = {"weights": _dataset(weights, walk_shares(len(rows), len(weights.variances)))}
    thinned = open_rows(motion.thinned(WALK_STEPS))
    count = min(_NULL_COMPONENTS, len(thinned) - 1)
    times, memory = np.asarray(thinned.steps, dtype=np.float64), motion.memory
    g = gram(thinned, walk_origin(thinned, memory))
    observed, flipped = flipped_shares(g, count, requested.ENOUGH, 0, times, memory)
    parts["weights"] = parts["weights"].assign(
        thinned_share=("leading", observed), flipped_share=(("draw", "leading"), flipped)
    )
    try:
        updates = _components(rows, "updates", motion, notes, known)
    except TrajectoryError as error:
        notes.append(str(error))
    else:
        null = noise_shares(len(rows) - 1, rows.n, len(updates.variances))
        parts["updates"] = _dataset(updates, null)
    tree = xr.DataTree.from_dict({f"/{key}": value for key, value in parts.items()})
    tree.attrs = {
        "shape": [int(size) for size in rows.shape],
        "n": rows.n,
        "steps": len(rows),
        "first_step": int(rows.steps[0]),
        "stride": motion.stride,
        "method": motion.method,
        "walk_steps": len(thinned),
        "notes": notes,
    }
    if name == WHOLE:
        tree.attrs["slices"] = {key: list(place) for key, place in motion.weights.attrs["slices"].items()}
    return tree


def _components(
    rows: Rows,
    of: str,
    motion: Motion,
    notes: list[str],
    known: tuple[Float64[np.ndarray, "t t"], Float64[np.ndarray, " n"]] | None,
) -> PrincipalComponents:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NumericalWarning)
        found = components_of(
            rows,
            motion.components,
            of,
            method=motion.method,
            tolerance=TOLERANCE,
            at_most=True,
            known=known,
        )
    if motion.method == "randomized" and found.errors.max() > TOLERANCE:
        notes.append(f"components of the {of}: relative errors up to {found.errors.max():.1g}")
    return found


def _dataset(found: PrincipalComponents, null: Float64[np.ndarray, " k"]) -> xr.Dataset:
    data = xr.Dataset(
        {
            "variance": ("component", found.variances),
            "share": ("component", found.shares),
            "error": ("component", found.errors),
            "null_share": ("component", null),
            "scores": found.scores,
            "directions": (
                ("component", "parameter"),
                np.asarray(found.basis.directions(), dtype=np.float32),
            ),
            "mean": ("parameter", found.mean.ravel().astype(np.float32)),
            "total": ((), found.total),
        }
    )
    data["scores"].attrs = {}
    return data


def pca_table(tree: xr.DataTree) -> pd.DataFrame:
    """Sum up the components of all layers.

    Args:
        tree: what `principal_components` made.

    Returns:
        A row per layer: `name`, `parameters`, `steps` used, `method`; of the weights `share_1`, `share_2`, their
        `share_1_walk` and `share_2_walk` in a walk in high dimension, `share_1_flipped_low` and `share_1_flipped_high`
        (between which 95% of walks with the observed updates and random signs lie) and `share_1_percentile` among
        these, `components_90` (how many hold 90% of the variance, None if more than are kept); of the updates
        `update_share_1` and `update_share_1_noise`; `notes`; `verdict` in words.
    """
    return pd.DataFrame([_row(node) for node in tree.children.values()])


def _row(node: xr.DataTree) -> dict[str, Any]:
    weights = node["weights"].to_dataset()
    share, null = weights["share"].values, weights["null_share"].values
    updates = node["updates"].to_dataset() if "updates" in node.children else None
    thinned, flipped = float(weights["thinned_share"][0]), weights["flipped_share"].values[:, 0]
    enough = np.flatnonzero(np.cumsum(share) >= 0.9)
    row = {
        "name": node.attrs["name"],
        "parameters": int(node.attrs["n"]),
        "steps": int(node.attrs["steps"]),
        "method": node.attrs["method"],
        "share_1": float(share[0]),
        "share_2": float(share[1]) if len(share) > 1 else 0.0,
        "share_1_walk": float(null[0]),
        "share_2_walk": float(null[1]) if len(null) > 1 else None,
        "share_1_flipped_low": float(np.quantile(flipped, 0.025)),
        "share_1_flipped_high": float(np.quantile(flipped, 0.975)),
        "share_1_percentile": compare(thinned, flipped).percentile,
        "components_90": int(enough[0]) + 1 if len(enough) else None,
        "update_share_1": None if updates is None else float(updates["share"][0]),
        "update_share_1_noise": None if updates is None else float(updates["null_share"][0]),
        "notes": list(node.attrs["notes"]),
    }
    return {**row, "verdict": pca_verdict(row)}


def pca_verdict(row: dict[str, Any]) -> str:
    """Say along how few components the weights move, beside chance.

    Args:
        row: of `pca_table`.

    Returns:
        One or two sentences.
    """
    percentile = row["share_1_percentile"]
    judged = (
        "more than its updates with random signs give"
        if percentile > 97.5
        else "less than its updates with random signs give"
        if percentile < 2.5
        else "no more than its updates with random signs give"
    )
    limit = (
        f"above {row['share_1_flipped_low']:.0%}"
        if percentile < 2.5
        else f"below {row['share_1_flipped_high']:.0%}"
    )
    said = (
        f"{row['share_1']:.0%} of the motion is along the first component and {100 * row['share_2']:.3g}% along the "
        f"second, {judged} (97.5% of them stay {limit}; a walk in high dimension has "
        f"{row['share_1_walk']:.0%})"
    )
    if row["update_share_1"] is None:
        return f"{said}."
    return (
        f"{said}. The updates have {100 * row['update_share_1']:.3g}% along their first component, "
        f"noise of their shape {100 * row['update_share_1_noise']:.2g}%."
    )
