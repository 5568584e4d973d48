"""The analysis `geodesic`: do the leading singular vectors of a run's layers move along geodesics, more than chance?"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float64

from eigentrail._progress import Progress
from eigentrail.chance import requested
from eigentrail.chance.optimizer_memory import Memory
from eigentrail.errors import EigentrailError
from eigentrail.studies.matrix_paths import MatrixAnalysis, matrix_path
from eigentrail.trajectories.geodesic import MOST_STEPS, first_spike
from eigentrail.trajectories.geodesic_null import null_seconds
from eigentrail.trajectories.great_circle import fit_great_circles
from eigentrail.trajectories.leading_vectors import SIDES
from eigentrail.trajectories.rows import open_rows
from eigentrail.trajectories.segments import segments, walk_counts
from eigentrail.trajectories.series import MatrixSeries
from eigentrail.trajectories.singular_path import singular_path
from eigentrail.trajectories.steps import nested_log_steps

_SEED = 0
# Steps that are looked at for the first spike, and steps that a path from there on needs to be worth a fit.
_LOOKED_AT = 200
_FEWEST = 12
# More segments than these are a path that bends all along rather than at kinks.
_FEW = 4


def layer_geodesics(series: MatrixSeries, progress: Progress, memory: Memory) -> xr.DataTree:
    """Fit great circles to the leading left and right singular vector of a layer, beside random walks.

    Args:
        series: the layer.
        progress: is told of the walks done.
        memory: how the updates of the walks remember each other.

    Returns:
        Its node. The children are `first` and, where the first Marchenko-Pastur spike comes later and leaves
        enough steps, `spike`: what `singular_path` gives from the first step and from that spike on; and
        `segments_right`, `segments_left` [segment]: up to four great circles that the path follows one after the
        other, from the same start as the child named by `attrs["start"]`, and `attrs["count"]`, how many the penalty
        alone gives, beside `null_counts` [draw], what it gives for random walks of the weights. Each has its circle as
        `plane` [segment, end, entry], two orthonormal vectors, `circle` [segment, end, axis], these projected onto
        the great 2-sphere of the whole path, in its axes, and `from_angle`, `to_angle`, the ends of its arc in that
        plane. `attrs["spike_step"]` is -1 without a spike.
    """
    x = matrix_path(series)
    walking: dict[str, Any] = {"seed": _SEED, "momentum": memory.momentum, "nesterov": memory.nesterov}
    first = singular_path(x, progress=progress, **walking)
    nodes: dict[str, Any] = {"/first": first}
    start: Literal["first", "spike"] = "first"
    spike, note = -1, ""
    close = open_rows(x).select(nested_log_steps(series.steps, _LOOKED_AT))
    try:
        spike = int(close.steps[first_spike(close)])
    except EigentrailError as error:
        note = f"the path begins at the first step: {error}"
    left = int((series.steps >= spike).sum())
    if spike > series.steps[0] and left >= _FEWEST:
        nodes["/spike"] = singular_path(x, start=spike, shares=(0.0,), progress=progress, **walking)
        start = "spike"
    elif spike > series.steps[0]:
        note = f"the path begins at the first step: the first spike appears at step {spike}, with {left} "
        note += "step left" if left == 1 else "steps left"
    cut_from = spike if start == "spike" else None
    try:
        walks = walk_counts(x, requested.ENOUGH, start=cut_from, progress=progress, **walking)
    except EigentrailError:  # too few steps, which `segments` says for each side
        walks = {}
    for side in SIDES:
        nodes[f"/segments_{side}"] = _segments(nodes[f"/{start}"], side, walks.get(side, np.zeros(0)))
    tree = xr.DataTree.from_dict(nodes)
    tree.attrs = {"start": start, "spike_step": spike, "note": note}
    return tree


def _segments(
    path: xr.Dataset, side: Literal["left", "right"], walks: Float64[np.ndarray, " d"]
) -> xr.Dataset:
    try:
        found = segments(path[side].astype(np.float64), side=side, most=_FEW, null=walks)
    except EigentrailError as error:
        return xr.Dataset(attrs={"note": str(error)})
    table = found.table
    between = np.full((len(table), 2), np.nan)
    between[1:] = found.intervals
    columns = {str(name): ("segment", np.asarray(table[name].values)) for name in table}
    planes = np.stack([fit.planes[0] for fit in found.fits])
    angles = [np.unwrap(np.arctan2(fit.path[0, :, 1], fit.path[0, :, 0])) for fit in found.fits]
    axes = _sphere_axes(found.vectors.values, path["path"].sel(side=side, dims=2).values)
    return xr.Dataset(
        {
            **columns,
            "change_low": ("segment", between[:, 0]),
            "change_high": ("segment", between[:, 1]),
            "null_counts": ("draw", found.null_counts),
            "plane": (("segment", "end", "entry"), planes.astype(np.float32)),
            "circle": (("segment", "end", "axis"), planes @ axes.T),
            "from_angle": ("segment", np.array([one.min() for one in angles])),
            "to_angle": ("segment", np.array([one.max() for one in angles])),
        },
        attrs={
            "rss_single": found.rss_single,
            "rss": found.rss,
            "penalty": found.penalty,
            "count": found.count,
            "percentile": np.nan if found.percentile is None else found.percentile,
            "note": "",
        },
    )


def _sphere_axes(
    vectors: Float64[np.ndarray, "t n"], on_sphere: Float64[np.ndarray, "t 3"]
) -> Float64[np.ndarray, "3 n"]:
    """Find the axes in which the path on its great 2-sphere is told; NaN where there is no 2-sphere."""
    if not np.isfinite(on_sphere).all():
        return np.full((3, vectors.shape[1]), np.nan)
    fit = fit_great_circles(vectors[None], 2)
    # The same plane; its own axes may be turned round.
    u, _, vt = np.linalg.svd(on_sphere.T @ fit.path[0])
    return np.asarray(u @ vt @ fit.planes[0])


def _seconds(series: MatrixSeries) -> float:
    # Three times: the walks from the first step, those from the first spike on, and those that are cut.
    return 3.0 * null_seconds(series.shape[1:], min(len(series.steps), MOST_STEPS), requested.ENOUGH)


GEODESIC = MatrixAnalysis(
    "geodesic",
    6,
    layer_geodesics,
    _seconds,
    f"the null of {requested.ENOUGH} random walks",
    {"null": requested.ENOUGH, "seed": _SEED, "steps": MOST_STEPS},
)


def geodesic_table(tree: xr.DataTree) -> pd.DataFrame:
    """Sum the geodesics of a run up.

    Args:
        tree: a node per layer, as `layer_geodesics` gives them.

    Returns:
        A row per layer and side: `name`, `side`, `shape`, `start` (its first step), `spike_step`, `steps`; for the
        great circle `score`, `null_median`, `percentile`, `p_value`, `rss`, `arc`; for the great 2-sphere
        `sphere_score`, `sphere_null_median`, `sphere_percentile`; `first_score`, `first_percentile` of the circle from
        the first step on; `best_start` and `best_percentile`, that of the best start among walks at their own best one;
        `length`, `segments` that the penalty gives, `segments_null` (the median of walks) and `segments_percentile`,
        `changes` (first steps of at most four of them), `rank_changes`;
        `verdict` in words.
    """
    table = pd.DataFrame(
        [row for node in tree.children.values() for side in SIDES for row in _rows(node, side)],
        columns=_COLUMNS,
        dtype=object,
    )
    numbers = [name for name in _NUMBERS if table[name].notna().all()]
    return table.astype(dict.fromkeys(numbers, np.float64))


_COLUMNS = [
    "name", "side", "shape", "start", "spike_step", "steps", "score", "null_median", "percentile", "p_value", "rss",
    "arc", "sphere_score", "sphere_null_median", "sphere_percentile", "first_score", "first_percentile", "best_start",
    "best_percentile", "length",
    "segments", "segments_null", "segments_percentile", "changes", "rank_changes", "note", "verdict",
]  # fmt: skip

_NUMBERS = (
    "score", "null_median", "percentile", "p_value", "rss", "arc", "sphere_score", "sphere_null_median",
    "sphere_percentile", "first_score", "first_percentile", "best_percentile", "length",
)  # fmt: skip

#: The columns that a person sees first.
GEODESIC_SHOWN = (
    "name", "side", "start", "steps", "score", "null_median", "percentile", "sphere_score", "sphere_percentile",
    "first_score", "first_percentile", "segments", "verdict",
)  # fmt: skip


def _rows(node: xr.DataTree, side: str) -> list[dict[str, Any]]:
    path = node[node.attrs["start"]].to_dataset().sel(side=side)
    first = node["first"].to_dataset().sel(side=side)
    cut = node[f"segments_{side}"].to_dataset()
    if not np.isfinite(float(path["score"].sel(dims=1))):
        return []
    medians = path["null_scores"].median("draw")
    changes = [int(step) for step in cut["start"].values[1:]] if "start" in cut else None
    row: dict[str, Any] = {
        "name": node.attrs["name"],
        "side": side,
        "shape": f"{path.attrs['rows']}x{path.attrs['cols']}",
        "start": int(path["step"][0]),
        "spike_step": None if node.attrs["spike_step"] < 0 else int(node.attrs["spike_step"]),
        "steps": path.sizes["step"],
        "null_median": _number(medians.sel(dims=1)),
        "length": _number(path["length"]),
        "sphere_score": _number(path["score"].sel(dims=2)),
        "sphere_null_median": _number(medians.sel(dims=2)),
        "sphere_percentile": _number(path["percentile"].sel(dims=2)),
        "first_score": _number(first["score"].sel(dims=1)),
        "first_percentile": _number(first["percentile"].sel(dims=1)),
        "best_start": _whole(first["best_start"].sel(dims=1)),
        "best_percentile": _number(first["best_percentile"].sel(dims=1)),
        "segments": cut.attrs.get("count"),
        "segments_null": float(cut["null_counts"].median()) if cut.sizes.get("draw") else None,
        "segments_percentile": _number(cut.attrs.get("percentile", np.nan)),
        "changes": changes,
        "rank_changes": int((np.diff(path["rank"].values) != 0).sum()),
        "note": node.attrs["note"],
        **{
            name: _number(path[name].sel(dims=1)) for name in ("score", "percentile", "p_value", "rss", "arc")
        },
    }
    return [{**row, "verdict": geodesic_verdict(row)}]


def _number(value: Any) -> float | None:
    number = float(value)
    return number if np.isfinite(number) else None


def _whole(value: xr.DataArray) -> int | None:
    number = float(value)
    return int(number) if np.isfinite(number) else None


def geodesic_verdict(row: dict[str, Any]) -> str:
    """Say whether a path is more of a geodesic than chance gives.

    Args:
        row: of `geodesic_table`.

    Returns:
        Two to four sentences.
    """
    late = row["spike_step"] is not None and row["start"] == row["spike_step"]
    since = f"from {'its first spike at ' if late else ''}step {row['start']} on"
    beside = (
        f"score {row['score']:.3f}, random walks of the weights reach {row['null_median']:.3f} "
        f"(percentile {row['percentile']:.0f})"
    )
    if row["percentile"] > 95.0:
        said = "moves along a great circle more than chance gives"
    elif row["percentile"] < 5.0:
        said = "is less of a great circle than a random walk"
    else:
        said = "is no more of a great circle than a random walk"
    sphere = ""
    if row["sphere_score"] is not None:
        sphere = (
            f"; the great 2-sphere has {row['sphere_score']:.3f} beside {row['sphere_null_median']:.3f} "
            f"(percentile {row['sphere_percentile']:.0f})"
        )
    later = ""
    if row["best_percentile"] is not None and row["best_percentile"] > 95.0 >= row["percentile"]:
        later = (
            f" From step {row['best_start']} on it is more than chance, also among walks that may choose their "
            f"start (percentile {row['best_percentile']:.0f})."
        )
    cut = ""
    if row["segments"] == 1:
        cut = " One circle serves for all steps."
    elif row["segments"] and row["segments"] <= _FEW:
        cut = f" {row['segments']} circles one after the other fit better, changing at steps {_listed(row)}."
    elif row["segments"]:
        cut = f" It bends all along: {row['segments']} circles one after the other fit better"
        if row["changes"]:
            cut += f"; if they are to be {len(row['changes']) + 1}, they change at steps {_listed(row)}"
        cut += "."
    if cut and row.get("segments_percentile") is not None:
        cut += f" Random walks are cut into {row['segments_null']:g} (percentile {row['segments_percentile']:.0f})."
    return f"The leading {row['side']} vector {said}, {since}: {beside}{sphere}.{later}{cut}"


def _listed(row: dict[str, Any]) -> str:
    return ", ".join(map(str, row["changes"]))
