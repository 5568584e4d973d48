"""The analysis `subspaces`: how far leading and trailing singular subspaces turn from the first step on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from eigentrail._progress import Progress
from eigentrail.chance.optimizer_memory import Memory
from eigentrail.studies.matrix_paths import MatrixAnalysis, matrix_path
from eigentrail.trajectories.geodesic import thinned
from eigentrail.trajectories.series import MatrixSeries
from eigentrail.trajectories.subspaces import subspaces

_DIMENSION = 4
# Random displacements beside the last step.
_DRAWS = 50
_STEPS = 100


def layer_subspaces(series: MatrixSeries, progress: Progress, memory: Memory) -> xr.Dataset:
    """Follow the principal angles of the leading and trailing subspaces of a layer against its first step.

    Args:
        series: the layer.
        progress: not told: it takes seconds.
        memory: not used: displacements have no order in time.

    Returns:
        What `subspaces` gives, at up to 100 steps; `attrs["k"]` is the dimension of the subspaces.
    """
    del progress, memory
    x = matrix_path(series)
    if x.sizes["step"] > _STEPS:
        x = x.isel(step=thinned(x.sizes["step"], _STEPS))
    k = min(_DIMENSION, max(1, min(x.shape[1:]) // 2))
    found = subspaces(x, k, null=_DRAWS)
    return found.assign_attrs(k=k, rows=int(x.shape[1]), cols=int(x.shape[2]))


def _seconds(series: MatrixSeries) -> float:
    _, n, m = series.shape
    return (min(len(series.steps), _STEPS) + _DRAWS) * (1e-3 + 1.5e-9 * n * m * m)


SUBSPACES = MatrixAnalysis(
    "subspaces",
    2,
    layer_subspaces,
    _seconds,
    "decomposing each step",
    {"k": _DIMENSION, "steps": _STEPS},
)


#: The columns that a person sees first; the sentence has the others.
SUBSPACES_SHOWN = (
    "name", "shape", "k", "leading_right", "leading_right_walk", "leading_right_percentile", "leading_left",
    "leading_left_walk", "leading_left_percentile",
)  # fmt: skip


def subspaces_table(tree: xr.DataTree) -> pd.DataFrame:
    """Sum the subspaces of a run up.

    Args:
        tree: a node per layer, as `layer_subspaces` gives them.

    Returns:
        A row per layer: `name`, `shape`, `k`; `leading_right`, `leading_left`, `trailing_right`, `trailing_left`, what
        the last step's subspace keeps of the first one's (mean squared cosine of the principal angles: 1 if it is the
        same); `chance_right`, `chance_left`, what random subspaces have (k / n); `leading_right_walk` and
        `leading_left_walk`, the median of random displacements as far as the weights have come, with
        `leading_right_percentile` and `leading_left_percentile` among these; `verdict`.
    """
    columns = [
        "name", "shape", "k", "leading_right", "chance_right", "leading_left", "chance_left", "trailing_right",
        "trailing_left", "leading_right_walk", "leading_right_percentile", "leading_left_walk",
        "leading_left_percentile", "verdict",
    ]  # fmt: skip
    return pd.DataFrame([_row(node) for node in tree.children.values()], columns=columns)


def _row(node: xr.DataTree) -> dict[str, Any]:
    found = node.to_dataset()
    row: dict[str, Any] = {
        "name": node.attrs["name"],
        "shape": f"{node.attrs['rows']}x{node.attrs['cols']}",
        "k": node.attrs["k"],
    }
    for side in ("right", "left"):
        row[f"chance_{side}"] = float(np.cos(node.attrs[f"chance_{side}"]) ** 2)
        for end in ("leading", "trailing"):
            angles = found[f"{end}_{side}"].values[-1]
            row[f"{end}_{side}"] = float((np.cos(angles) ** 2).mean())
        leading = found.sel(end="leading", side=side)
        row[f"leading_{side}_walk"] = float(leading["kept_null"].median())
        row[f"leading_{side}_percentile"] = float(leading["kept_percentile"])
    return {**row, "verdict": subspaces_verdict(row)}


def subspaces_verdict(row: dict[str, Any]) -> str:
    """Say how far the leading subspaces have turned.

    Args:
        row: of `subspaces_table`.

    Returns:
        One sentence.
    """
    many = f"{row['k']} leading" if row["k"] > 1 else "leading"
    share = {name: f"{row[name]:.0%}" for name in row if name.startswith(("leading", "trailing", "chance"))}
    # From 0, what random subspaces share, to 1, the same subspace; a side that has no other subspace says nothing.
    kept = [
        (row[f"leading_{side}"] - row[f"chance_{side}"]) / (1.0 - row[f"chance_{side}"])
        for side in ("right", "left")
        if row[f"chance_{side}"] < 1.0 - 1e-9
    ]
    if not kept:
        return "A matrix of one entry has no directions that could turn."
    if min(kept) > 0.995:
        said = "are still"
    elif min(kept) > 0.8:
        said = "are still close to"
    elif max(kept) < 0.2:
        said = "have turned away from"
    else:
        said = "are partly"
    return (
        f"The {many} directions {said} those of the first step: {share['leading_right']} of them is kept on the right "
        f"and {share['leading_left']} on the left, of the trailing ones {share['trailing_right']} and "
        f"{share['trailing_left']}; random subspaces share {share['chance_right']} and {share['chance_left']}. "
        f"Random displacements as large keep {row['leading_right_walk']:.0%} and {row['leading_left_walk']:.0%} of the "
        f"leading ones (percentiles {row['leading_right_percentile']:.0f} and {row['leading_left_percentile']:.0f})."
    )
