"""The analysis `crossings`: when the leading singular directions of a run's layers change places."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from eigentrail._progress import Progress
from eigentrail.chance import requested
from eigentrail.chance.optimizer_memory import Memory
from eigentrail.spectra import Spectrum
from eigentrail.studies.matrix_paths import MatrixAnalysis, matrix_path
from eigentrail.trajectories.crossing_null import compare_counts, crossing_seconds
from eigentrail.trajectories.crossings import crossings
from eigentrail.trajectories.geodesic import MOST_STEPS, thinned
from eigentrail.trajectories.series import MatrixSeries

_LEADING = 4
_STEPS = 200
_KEPT = 24
_LISTED = 8
_SEED = 0


def layer_crossings(series: MatrixSeries, progress: Progress, memory: Memory) -> xr.DataTree:
    """Follow the leading singular directions of a layer and list where they change places.

    Args:
        series: the layer.
        progress: is told of the walks done.
        memory: how the updates of the walks remember each other.

    Returns:
        `tracks` [step, direction]: `value` and `rank` of the directions that are ever among the first (NaN and -1 where
        they are not among those looked at), `leading` [step]; `walks` [draw]: `exchanges` and `leading_changes` of
        random walks, with the observed ones at as many steps as attributes; and `events` [event]: `step`, `up` and
        `down`, the directions, `rank`, the better of the places, and `above_noise`, 1 where both values lie above the
        threshold of Marchenko-Pastur spikes at that step. `attrs["k"]` is the number of places looked at.
    """
    x = matrix_path(series)
    if x.sizes["step"] > _STEPS:
        x = x.isel(step=thinned(x.sizes["step"], _STEPS))
    k = min(_LEADING, *x.shape[1:])
    found = crossings(x, k, momentum=memory.momentum, nesterov=memory.nesterov, seed=_SEED, progress=progress)
    chance = found.chance
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
    walks = xr.Dataset(
        {"exchanges": ("draw", chance.exchanges_null), "leading_changes": ("draw", chance.leading_null)},
        attrs={
            "steps": chance.steps,
            "exchanges": chance.exchanges,
            "leading_changes": chance.leading_changes,
        },
    )
    tree = xr.DataTree.from_dict({"/tracks": tracks, "/events": events, "/walks": walks})
    tree.attrs = {"k": k, "rows": int(x.shape[1]), "cols": int(x.shape[2])}
    return tree


def _threshold(w: np.ndarray[Any, Any]) -> float:
    """Give the singular value above which noise lies in 1% of cases."""
    law = Spectrum.from_matrix(w).marchenko_pastur()
    return float(np.sqrt(law.threshold * max(w.shape)))


def _seconds(series: MatrixSeries) -> float:
    _, n, m = series.shape
    own = min(len(series.steps), _STEPS) * (1e-3 + 1e-10 * n * m * m + 5e-10 * m**3)
    return own + crossing_seconds((n, m), min(len(series.steps), MOST_STEPS), requested.ENOUGH)


CROSSINGS = MatrixAnalysis(
    "crossings",
    2,
    layer_crossings,
    _seconds,
    f"following the leading singular values, and those of {requested.ENOUGH} random walks,",
    {"k": _LEADING, "steps": _STEPS, "null": requested.ENOUGH, "seed": _SEED},
)


def crossings_table(tree: xr.DataTree) -> pd.DataFrame:
    """Sum the crossings of a run up.

    Args:
        tree: a node per layer, as `layer_crossings` gives them.

    Returns:
        A row per layer: `name`, `shape`, `steps` looked at, `crossings` among the `k` leading places, those
        `above_noise`, `leading_changes` (steps at which another direction becomes the leading one); of the at most
        100 steps at which random walks are compared, `exchanges`, `exchanges_null` (mean of the walks),
        `exchanges_percentile`, and `leading_count`, `leading_null`, `leading_percentile` of the changes of the leading
        direction; `verdict`.
    """
    return pd.DataFrame([_row(node) for node in tree.children.values()], columns=_COLUMNS)


_COLUMNS = [
    "name", "shape", "steps", "k", "crossings", "above_noise", "leading_changes", "exchanges", "exchanges_null",
    "exchanges_percentile", "leading_count", "leading_null", "leading_percentile", "verdict",
]  # fmt: skip

#: The columns that a person sees first; the sentence has the others.
CROSSINGS_SHOWN = (
    "name", "shape", "steps", "crossings", "above_noise", "exchanges", "exchanges_null", "exchanges_percentile",
    "leading_count", "leading_null", "leading_percentile",
)  # fmt: skip


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
    walks = node["walks"].to_dataset()
    counts = np.stack([walks["exchanges"].values, walks["leading_changes"].values])
    seen = walks.attrs
    chance = compare_counts(seen["exchanges"], seen["leading_changes"], seen["steps"], row["k"], counts)
    return {
        **row,
        "exchanges": chance.exchanges,
        "exchanges_null": float(chance.exchanges_null.mean()),
        "exchanges_percentile": chance.exchanges_percentile,
        "leading_count": chance.leading_changes,
        "leading_null": float(chance.leading_null.mean()),
        "leading_percentile": chance.leading_percentile,
        "verdict": f"{_verdict(row, events)} {chance.verdict}",
    }


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
