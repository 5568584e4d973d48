"""The analysis `crossings`: when the leading singular directions of a run's layers change places."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from eigentrail._progress import Progress
from eigentrail.spectra import Spectrum
from eigentrail.studies.matrix_paths import MatrixAnalysis, matrix_path
from eigentrail.trajectories.crossings import crossings
from eigentrail.trajectories.geodesic import thinned
from eigentrail.trajectories.series import MatrixSeries

_LEADING = 4
_STEPS = 200
_KEPT = 24
_LISTED = 8


def layer_crossings(series: MatrixSeries, progress: Progress) -> xr.DataTree:
    """Follow the leading singular directions of a layer and list where they change places.

    Args:
        series: the layer.
        progress: not told: it takes seconds.

    Returns:
        `tracks` [step, direction]: `value` and `rank` of the directions that are ever among the first (NaN and -1 where
        they are not among those looked at), `leading` [step]; and `events` [event]: `step`, `up` and `down`, the
        directions, `rank`, the better of the places, and `above_noise`, 1 where both values lie above the threshold of
        Marchenko-Pastur spikes at that step. `attrs["k"]` is the number of places looked at.
    """
    del progress
    x = matrix_path(series)
    if x.sizes["step"] > _STEPS:
        x = x.isel(step=thinned(x.sizes["step"], _STEPS))
    k = min(_LEADING, *x.shape[1:])
    found = crossings(x, k)
    among = ((found.ranks.values >= 0) & (found.ranks.values < k)).sum(axis=0)
    named = np.union1d(found.table["up"], found.table["down"]).astype(np.int64)
    most = np.argsort(-among, kind="stable")[:_KEPT]
    kept = np.union1d(most[among[most] > 0], named[:_KEPT])
    tracks = xr.Dataset({"value": found.values, "rank": found.ranks, "leading": found.leading}).isel(
        direction=kept
    )
    limits = {int(step): _threshold(x.sel(step=step).values) for step in set(found.table["step"])}
    above = [
        min(found.values.sel(step=row.step, direction=[row.up, row.down]).values) > limits[int(row.step)]
        for row in found.table.itertuples()
    ]
    events = xr.Dataset(
        {
            **{
                name: ("event", found.table[name].to_numpy(dtype=np.int64))
                for name in ("step", "up", "down", "rank")
            },
            "above_noise": ("event", np.array(above, dtype=np.int64)),
        }
    )
    tree = xr.DataTree.from_dict({"/tracks": tracks, "/events": events})
    tree.attrs = {"k": k, "rows": int(x.shape[1]), "cols": int(x.shape[2])}
    return tree


def _threshold(w: np.ndarray[Any, Any]) -> float:
    """Give the singular value above which noise lies in 1% of cases."""
    law = Spectrum.from_matrix(w).marchenko_pastur()
    return float(np.sqrt(law.threshold * max(w.shape)))


def _seconds(series: MatrixSeries) -> float:
    _, n, m = series.shape
    return min(len(series.steps), _STEPS) * (1e-3 + 1e-10 * n * m * m + 5e-10 * m**3)


CROSSINGS = MatrixAnalysis(
    "crossings",
    1,
    layer_crossings,
    _seconds,
    "following the leading singular values",
    {"k": _LEADING, "steps": _STEPS},
)


def crossings_table(tree: xr.DataTree) -> pd.DataFrame:
    """Sum the crossings of a run up.

    Args:
        tree: a node per layer, as `layer_crossings` gives them.

    Returns:
        A row per layer: `name`, `shape`, `steps` looked at, `crossings` among the `k` leading places, those
        `above_noise`, `leading_changes` (steps at which another direction becomes the leading one), `verdict`.
    """
    columns = ["name", "shape", "steps", "k", "crossings", "above_noise", "leading_changes", "verdict"]
    return pd.DataFrame([_row(node) for node in tree.children.values()], columns=columns)


def _row(node: xr.DataTree) -> dict[str, Any]:
    events, tracks = node["events"].to_dataset(), node["tracks"].to_dataset()
    leading = tracks["leading"].values
    changed = np.flatnonzero(np.diff(leading) != 0) + 1
    row = {
        "name": node.attrs["name"],
        "shape": f"{node.attrs['rows']}x{node.attrs['cols']}",
        "steps": tracks.sizes["step"],
        "k": node.attrs["k"],
        "crossings": events.sizes["event"],
        "above_noise": int(events["above_noise"].sum()),
        "leading_changes": [int(step) for step in tracks["step"].values[changed]],
    }
    return {**row, "verdict": _verdict(row, events)}


def _verdict(row: dict[str, Any], events: xr.Dataset) -> str:
    if not row["crossings"]:
        return (
            f"The {row['k']} leading singular values keep their order at all {row['steps']} steps looked at."
        )
    real = events.isel(event=events["above_noise"].values == 1)
    listed = [
        f"at step {int(step)} direction {int(up) + 1} rises above {int(down) + 1}"
        for step, up, down in zip(real["step"].values, real["up"].values, real["down"].values, strict=True)
    ]
    inside = row["crossings"] - row["above_noise"]
    told = "No two directions above the noise change places"
    if listed:
        more = f" and {len(listed) - _LISTED} more" if len(listed) > _LISTED else ""
        told = f"Directions above the noise change places: {'; '.join(listed[:_LISTED])}{more}"
    bulk = (
        f". {inside} more exchange{'s' if inside > 1 else ''} inside the bulk of noise, where vectors mix at every "
        f"step, say{'' if inside > 1 else 's'} nothing"
        if inside
        else ""
    )
    return f"{told}{bulk}."
