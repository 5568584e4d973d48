"""The evolution of a run in one row per matrix: what was there at the first step and what at the last."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from eigentrail.metrics.framework.contract import Column
from eigentrail.trajectories.snapshot import followed_columns


def evolution_table(tree: xr.DataTree) -> pd.DataFrame:
    """Summarise an evolution.

    Args:
        tree: from `evolution`.

    Returns:
        A row per matrix, None for what is missing: `name`, `kind`, `rows`, `cols`, `steps` (recorded), `points`
        (looked at closely), `first_step` and `last_step` (of these, those with numbers), `run_end` (the run's last
        step, later than `last_step` where the layer is not recorded there); the metrics over time that tables show
        (`spikes`, `null_spikes`, `mp_ks_distance`, `alpha`, ranks, `phase`, ...), each with `_first` and `_last`;
        `phases_between`, those of analysed steps between them that are neither, in their order;
        `noise_ks_high` (the 95% quantile of the bulk's distance in noise); `farthest_bulk`,
        the largest distance of the bulk at any step, and `farthest_step`; `first_birth`, the step of the first spike
        that was born; the numbers of `births`, `deaths` and `crossings`; `frobenius_ratio` and `spectral_ratio`, the
        norms at the last over the first step; `notes`.
    """
    rows = [_row(node, tree.attrs.get("run_end")) for node in tree.children.values()]
    return pd.DataFrame(
        {c: pd.Series([row[c] for row in rows], dtype=object) for c in rows[0]} if rows else {}
    )


def _row(node: xr.DataTree, run_end: int | None) -> dict[str, Any]:
    diagnosis, every = node["diagnosis"].to_dataset(), node["every"].to_dataset()
    events, attributes = node["events"].to_dataset(), node.attrs
    known = np.flatnonzero(np.isfinite(diagnosis["spikes"].values))
    steps = diagnosis["step"].values
    row: dict[str, Any] = {
        "name": attributes["name"],
        "kind": attributes["kind"],
        "rows": attributes["rows"],
        "cols": attributes["cols"],
        "steps": every.sizes["step"],
        "points": diagnosis.sizes["step"],
        "first_step": int(steps[known[0]]) if len(known) else None,
        "last_step": int(steps[known[-1]]) if len(known) else None,
        "run_end": run_end,
    }
    for column in followed_columns():
        if column.shown:
            values = diagnosis[column.name].values
            for suffix, place in (("first", 0), ("last", -1)):
                row[f"{column.name}_{suffix}"] = _plain(column, values[known[place]]) if len(known) else None
    told = [str(p) for p in diagnosis["phase"].values[known] if p]
    between = dict.fromkeys(p for p in told if p not in {row["phase_first"], row["phase_last"]})
    row["phases_between"] = ", ".join(between) or None
    row["noise_ks_high"] = diagnosis.attrs.get("noise_ks_high")
    distances = diagnosis["mp_ks_distance"].values
    farthest = int(np.nanargmax(distances)) if np.isfinite(distances).any() else None
    row["farthest_bulk"] = None if farthest is None else float(distances[farthest])
    row["farthest_step"] = None if farthest is None else int(steps[farthest])
    kinds = events["kind"].values
    born = events["step"].values[kinds == "birth"]
    row["first_birth"] = int(born[0]) if len(born) else None
    row |= {f"{kind}s": int((kinds == kind).sum()) for kind in ("birth", "death", "crossing")}
    for name in ("frobenius", "spectral"):
        norms = every[f"{name}_norm"].values
        norms = norms[np.isfinite(norms)]
        row[f"{name}_ratio"] = float(norms[-1] / norms[0]) if len(norms) and norms[0] > 0 else None
    row["notes"] = list(attributes["notes"])
    return row


def _plain(column: Column, value: Any) -> Any:
    if isinstance(value, str):
        return value or None
    if not np.isfinite(value):
        return None
    return int(value) if column.sort == "count" else float(value)
