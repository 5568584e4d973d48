"""Principal angles of singular subspaces over steps, and singular values coloured by how far their vectors turned."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import xarray as xr

from eigentrail.figures import style
from eigentrail.figures.evolution import log_menu, step_axis

_VALUES = 40
_ENDS = (("leading", style.DATA), ("trailing", style.OTHER))
# From unturned to a right angle.
_COLOURS = [[0.0, "#3f87cf"], [0.5, "#a0649c"], [1.0, "#e0861e"]]


def principal_angles(found: xr.Dataset, side: str, title: str) -> go.Figure:
    """Draw the principal angles of the leading and trailing subspaces against the first step.

    Args:
        found: from `subspaces`.
        side: "right" or "left".
        title: title of the figure.

    Returns:
        The smallest and the largest angle of each, and the typical angle of random subspaces.
    """
    steps = found["step"].values.astype(np.float64)
    traces = []
    for end, colour in _ENDS:
        angles = np.degrees(found[f"{end}_{side}"].values)
        k = angles.shape[1]
        ends = [(0, "smallest", "dash"), (k - 1, "largest", "solid")] if k > 1 else [(0, "", "solid")]
        for place, which, dash in ends:
            name = " ".join(part for part in (end, f"{k}:" if k > 1 else "", which, "angle") if part)
            hover = f"{name} %{{y:.1f}}° at step %{{x}}<extra></extra>"
            traces.append(style.line(steps, angles[:, place], name, colour, dash=dash, hovertemplate=hover))
    chance = float(np.degrees(found.attrs[f"chance_{side}"]))
    flat = np.full(2, chance)
    traces.append(
        style.line(
            steps[[0, -1]],
            flat,
            "typical angle of random subspaces",
            style.NULL,
            dash="dot",
            hoverinfo="skip",
        )
    )
    return style.build(
        traces,
        title=title,
        xaxis=step_axis(),
        yaxis=style.axis("angle to the first step (degrees)", range=[-2, 93], dtick=15),
        updatemenus=log_menu(),
        margin={"b": 58},
    )


def angle_data(found: xr.Dataset, side: str) -> pd.DataFrame:
    """Tabulate what `principal_angles` draws.

    Args:
        found: from `subspaces`.
        side: "right" or "left".

    Returns:
        A row per step, with all angles in radians.
    """
    columns = {
        f"{end}_{place + 1}": found[f"{end}_{side}"].values[:, place]
        for end, _ in _ENDS
        for place in range(found.sizes["angle"])
    }
    return pd.DataFrame({"step": found["step"].values, **columns})


def values_by_angle(found: xr.Dataset, side: str, title: str) -> go.Figure:
    """Draw singular values over steps, coloured by the angle of their vectors to their block at the first step.

    Args:
        found: from `subspaces`.
        side: "right" or "left".
        title: title of the figure.

    Returns:
        A row of points per singular value, at most 40 evenly chosen ones.
    """
    values, angles = found["singular_values"].values, np.degrees(found[f"vector_{side}"].values)
    steps = found["step"].values.astype(np.float64)
    chosen = np.unique(
        np.round(np.linspace(0, values.shape[1] - 1, min(_VALUES, values.shape[1]))).astype(int)
    )
    traces = [
        style.line(
            steps,
            values[:, j],
            f"value {j + 1}",
            style.MUTED,
            mode="markers",
            showlegend=False,
            marker={"color": np.round(angles[:, j], 1), "coloraxis": "coloraxis", "size": 4},
            hovertemplate=f"value {j + 1}: %{{y:.4g}} at step %{{x}}, turned by %{{marker.color:.0f}}°<extra></extra>",
        )
        for j in chosen
    ]
    scale = {
        "colorscale": _COLOURS,
        "cmin": 0,
        "cmax": 90,
        "colorbar": {"title": {"text": "angle (°)"}, "thickness": 12, "dtick": 30},
    }
    return style.build(
        traces,
        title=title,
        xaxis=step_axis(),
        yaxis=style.axis("singular value", rangemode="tozero"),
        coloraxis=scale,
        updatemenus=log_menu(),
        margin={"b": 58},
    )


def value_data(found: xr.Dataset, side: str) -> pd.DataFrame:
    """Tabulate what `values_by_angle` draws.

    Args:
        found: from `subspaces`.
        side: "right" or "left".

    Returns:
        A row per step and value; the block of each at the first step, the angle in radians.
    """
    steps, count = found["step"].values, found.sizes["value"]
    return pd.DataFrame(
        {
            "step": np.repeat(steps, count),
            "value": np.tile(np.arange(count), len(steps)),
            "singular_value": found["singular_values"].values.ravel(),
            "angle": found[f"vector_{side}"].values.ravel(),
            "block": np.tile(found["block"].values, len(steps)),
        }
    )
