"""Overlaps of two bases as a map in multiples of chance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from jaxtyping import Float64

from eigentrail.figures import style

#: Columns that are drawn: what lies further right cannot be told apart.
COLUMNS = 64
_COLOURS = [[0.0, "#3f87cf"], [0.5, "#f4f4f2"], [1.0, "#b5400f"]]


def overlap_map(
    values: Float64[np.ndarray, "i j"], chance: float, title: str, across: str, *, mark: int | None = None
) -> go.Figure:
    """Draw |<a_i, b_j>| as colours, white where it is what a random direction has on average.

    Args:
        values: [i, j] overlaps; rows are components of the weights.
        chance: the mean overlap of a random direction.
        title: title of the figure.
        across: what the columns are, with their order.
        mark: how many of the columns lie above the Marchenko-Pastur bulk; a line behind them says so.

    Returns:
        A heat map, the first component on top; its colours are logarithmic.
    """
    shown = values[:, :COLUMNS]
    times = shown / chance
    reach = float(np.clip(np.log10(max(float(times.max()), 1.0)), 0.5, 3.0))
    ticks = [
        t for t in (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000) if abs(np.log10(t)) <= reach + 1e-9
    ]
    rows, columns = shown.shape
    traces: list[dict[str, Any]] = [
        {
            "type": "heatmap",
            "x": np.arange(1, columns + 1),
            "y": np.arange(1, rows + 1),
            "z": np.clip(np.log10(np.maximum(times, 1e-6)), -reach, reach),
            "customdata": np.dstack([times, shown]),
            "zmin": -reach,
            "zmax": reach,
            "colorscale": _COLOURS,
            "colorbar": {
                "title": {"text": "multiples of chance", "side": "right"},
                "tickvals": [float(np.log10(t)) for t in ticks],
                "ticktext": [f"{t:g}" for t in ticks],
                "thickness": 12,
                "outlinewidth": 0,
            },
            "hovertemplate": "component %{y}, column %{x}<br>overlap %{customdata[1]:.3g}"
            "<br>%{customdata[0]:.3g} × chance<extra></extra>",
        }
    ]
    options: dict[str, Any] = {}
    if mark is not None and 0 < mark < columns:
        options["shapes"] = [
            {
                "type": "line",
                "xref": "x",
                "yref": "paper",
                "x0": mark + 0.5,
                "x1": mark + 0.5,
                "y0": 0,
                "y1": 1,
                "line": {"color": style.SPIKE, "width": 2, "dash": "dash"},
            }
        ]
    return style.build(
        traces,
        title=title,
        xaxis=style.axis(across, showgrid=False, tickformat="d", range=[0.5, columns + 0.5]),
        yaxis=style.axis("component of the weights", showgrid=False, tickformat="d", range=[rows + 0.5, 0.5]),
        height=430,
        **options,
    )


def overlap_rows(values: Float64[np.ndarray, "i j"], chance: float) -> pd.DataFrame:
    """Tabulate what `overlap_map` draws, and what lies further right.

    Args:
        values: as given there.
        chance: as given there.

    Returns:
        A row per pair: `component` and `column` counted from 1, `overlap`, `times_chance`; the largest overlaps last.
    """
    i, j = np.meshgrid(np.arange(1, values.shape[0] + 1), np.arange(1, values.shape[1] + 1), indexing="ij")
    table = pd.DataFrame(
        {
            "component": i.ravel(),
            "column": j.ravel(),
            "overlap": values.ravel(),
            "times_chance": values.ravel() / chance,
        }
    )
    return table.sort_values("overlap", ignore_index=True)
