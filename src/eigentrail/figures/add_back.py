"""Accuracy and loss against the number of directions that are added back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import xarray as xr

from eigentrail._untrusted import plotly_text
from eigentrail.figures import style
from eigentrail.figures.loss_labels import loss_label_of, part_of

_BASES = {
    "components": ("principal components", style.DATA),
    "singular": ("singular matrices", style.OTHER),
    "random": ("random directions (null)", style.NULL),
}
# Where no direction at all is drawn on the logarithmic axis.
_ZERO = 0.5


def add_back_curves(node: xr.DataTree, name: str) -> go.Figure:
    """Draw the accuracy with 0 to k directions of each basis.

    Args:
        node: a layer of the analysis.
        name: whose curves they are.

    Returns:
        A trace for each basis on held-out samples (where there are any) and a dotted one on training samples; a dashed
        line for the full network.
    """
    return _curves(node, name, "accuracy")


def add_back_losses(node: xr.DataTree, name: str) -> go.Figure:
    """Draw the loss with 0 to k directions of each basis.

    Args:
        node: a layer of the analysis.
        name: whose curves they are.

    Returns:
        The traces of `add_back_curves`, of the loss on a logarithmic axis.
    """
    return _curves(node, name, "loss")


def _curves(node: xr.DataTree, name: str, what: str) -> go.Figure:
    parts = list(node.attrs["parts"])
    shape = "%{y:.1%}" if what == "accuracy" else "%{y:.4g}"
    traces: list[dict[str, Any]] = []
    most = 1
    for kind, (label, colour) in _BASES.items():
        if kind not in node.children:
            continue
        curves = part_of(node, kind)
        k = curves["k"].values.astype(np.float64)
        most = max(most, int(k[-1]))
        for place, part in reversed(list(enumerate(parts))):
            shown = place == len(parts) - 1
            traces.append(
                style.line(
                    np.where(k > 0, k, _ZERO),
                    curves[what].values[place],
                    label if shown else f"{label}, {part}",
                    colour,
                    dash="solid" if shown else "dot",
                    width=2 if shown else 1.2,
                    mode="lines+markers" if shown else "lines",
                    marker={"size": 4},
                    showlegend=shown,
                    customdata=np.stack([k, curves["norm"].values], axis=1),
                    hovertemplate=f"{label}, {part}: %{{customdata[0]:.0f}} directions, {shape}, "
                    "%{customdata[1]:.0%} of the length<extra></extra>",
                )
            )
    ends = np.array([_ZERO, most], float)
    full = float(node.attrs[f"{'accuracies' if what == 'accuracy' else what}_full"][-1])
    traces.append(style.line(ends, np.full(2, full), "full network", style.MUTED, dash="dash", width=1.3))
    if what == "accuracy":
        title = "Adding back"
        upright = style.axis(f"accuracy, {parts[-1]}", tickformat=".0%", range=[0, 1.02])
    else:
        title = "Loss while adding back"
        loss, unit = loss_label_of(node)
        upright = style.axis(f"{loss}, {parts[-1]}{unit}", type="log", nticks=6)
    ticks = [10**i for i in range(int(np.log10(most)) + 1)]
    return style.build(
        traces,
        title=f"{title}: {plotly_text(name, 60)}",
        xaxis=style.axis(
            "directions added",
            type="log",
            range=[float(np.log10(0.43)), float(np.log10(1.15 * most))],
            tickvals=[_ZERO, *ticks],
            ticktext=["0", *map(str, ticks)],
        ),
        yaxis=upright,
    )


def add_back_data(node: xr.DataTree) -> pd.DataFrame:
    """Tabulate what `add_back_curves` and `add_back_losses` draw.

    Args:
        node: a layer of the analysis.

    Returns:
        `basis`, `part`, `k`, `accuracy`, `loss`, `norm`.
    """
    tables = []
    for kind in _BASES:
        if kind in node.children:
            table = part_of(node, kind).to_dataframe().reset_index()
            tables.append(table.assign(basis=kind))
    return pd.concat(tables, ignore_index=True)[["basis", "part", "k", "accuracy", "loss", "norm"]]
