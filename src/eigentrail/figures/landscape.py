"""Loss along the directions in which weights moved, and over the plane of the first two."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import xarray as xr

from eigentrail._untrusted import plotly_text
from eigentrail.figures import style
from eigentrail.figures.loss_labels import loss_label_of, part_of


def has_penalty(node: xr.DataTree) -> bool:
    """Tell whether the loss along the lines has the penalty of a weight decay, which that over the plane never has.

    Args:
        node: a layer of the analysis.

    Returns:
        False where the training has no weight decay.
    """
    lines = part_of(node, "lines")
    return bool((lines["total"] != lines["loss"]).any())


def loss_lines(node: xr.DataTree, name: str) -> go.Figure:
    """Draw the loss along the first components and a random direction, through the last weights.

    Args:
        node: a layer of the analysis.
        name: its name.

    Returns:
        The figure; the shaded part is where the trajectory came from along the first component.
    """
    lines = part_of(node, "lines")
    x = lines["offset"].values
    penalised = has_penalty(node)
    loss, unit = loss_label_of(node)
    with_decay = "with decay penalty " if penalised else ""
    traces: list[dict[str, Any]] = []
    for place, direction in enumerate(lines["direction"].values):
        chance = direction == "random"
        traces.append(
            style.line(
                x,
                lines["total"].values[place],
                "random direction (null)" if chance else str(direction),
                style.NULL if chance else (style.DATA, style.OTHER, style.FIT)[place],
                dash="dash" if chance else "solid",
                customdata=np.stack([lines["accuracy"].values[place], lines["loss"].values[place]], axis=1),
                hovertemplate=f"{direction}: %{{x:.3g}} away, loss {with_decay}%{{y:.4g}}, {loss} "
                "%{customdata[1]:.4g}, accuracy %{customdata[0]:.1%}<extra></extra>",
            )
        )
    start = float(part_of(node, "path")["x"].values[0])
    band = {"type": "rect", "xref": "x", "yref": "paper", "y0": 0, "y1": 1, "line": {"width": 0}}
    return style.build(
        traces,
        title=f"Loss along the components: {plotly_text(name, 60)}",
        xaxis=style.axis("distance from the last weights"),
        yaxis=style.axis(
            f"loss with decay penalty{unit}" if penalised else f"{loss}{unit}",
            type="log",
            nticks=6,
        ),
        shapes=[{**band, "x0": min(start, 0.0), "x1": max(start, 0.0), "fillcolor": "rgba(63,135,207,0.10)"}],
    )


def loss_plane(node: xr.DataTree, name: str) -> go.Figure:
    """Draw the loss over the plane of the first two components, with the trajectory.

    Args:
        node: a layer of the analysis, with a plane.
        name: its name.

    Returns:
        Contours of log10 of the loss, without a penalty of the weight decay; the trajectory ends at (0, 0).
    """
    plane, path = part_of(node, "plane"), part_of(node, "path")
    which, unit = loss_label_of(node)
    loss = np.maximum(plane["loss"].values, 1e-12)
    contour = {
        "type": "contour",
        "x": plane["x"].values,
        "y": plane["y"].values,
        "z": np.log10(loss).T,
        "customdata": loss.T,
        "colorscale": "Viridis",
        "contours": {"coloring": "heatmap"},
        "line": {"width": 0.5},
        "colorbar": {"title": {"text": f"log₁₀ of<br>{which}<br>{unit.strip()}"}, "thickness": 12},
        "hovertemplate": f"(%{{x:.3g}}, %{{y:.3g}}): {which} %{{customdata:.4g}}<extra></extra>",
    }
    way = style.line(path["x"].values, path["y"].values, "trajectory", style.SPIKE, width=2)
    end: dict[str, Any] = {
        "type": "scatter",
        "mode": "markers",
        "x": [0.0],
        "y": [0.0],
        "name": "last weights",
        "marker": {"symbol": "x", "size": 9, "color": style.SPIKE},
    }
    return style.build(
        [contour, way, end],
        title=f"{which.capitalize()} in the plane of two components: {plotly_text(name, 50)}",
        xaxis=style.axis("along component 1"),
        yaxis=style.axis("along component 2"),
    )


def lines_data(node: xr.DataTree) -> pd.DataFrame:
    """Tabulate what `loss_lines` draws.

    Args:
        node: a layer of the analysis.

    Returns:
        `direction`, `offset`, `loss`, `accuracy`, `total`.
    """
    return part_of(node, "lines").to_dataframe().reset_index()


def plane_data(node: xr.DataTree) -> pd.DataFrame:
    """Tabulate what `loss_plane` draws.

    Args:
        node: a layer of the analysis, with a plane.

    Returns:
        `x`, `y`, `loss`, `accuracy`.
    """
    return part_of(node, "plane").to_dataframe().reset_index()
