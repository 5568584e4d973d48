"""The path of a unit vector on the sphere that holds it best."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import xarray as xr
from jaxtyping import Float64

from eigentrail.report.figures import style

#: From early to late; each end has contrast on light and on dark ground.
TIME_COLOURS = [[0.0, "#5b7fd1"], [0.5, "#b0568f"], [1.0, "#e08a1e"]]
_NET = "#9aa2ae"
_MERIDIANS, _PARALLELS, _POINTS = 12, 5, 37
HEIGHT = 520


def sphere(path: xr.Dataset, cut: xr.Dataset, title: str) -> go.Figure:
    """Draw a path on its great 2-sphere, with the great circle through it.

    Args:
        path: of one side, as `singular_path` gives it.
        cut: the segments of that side; without variables where there are none.
        title: title of the figure.

    Returns:
        A figure to turn: the sphere as a net, the circle, the path coloured by step, its start and its end, and the
        steps at which a new segment begins.
    """
    at = path["path"].sel(dims=2).values
    if not np.isfinite(at).all():
        return style.empty(title, "This side of the layer is too small for a great 2-sphere.")
    steps = path["step"].values
    off = np.degrees(path["residuals"].sel(dims=2).values)
    along = path["circle"].values
    turn = np.linspace(0.0, 2.0 * np.pi, 73)
    circle = np.cos(turn)[:, None] * along[0] + np.sin(turn)[:, None] * along[1]
    hover = "step %{customdata[0]}<br>%{customdata[1]:.3g}° off the sphere<extra></extra>"
    points = _line(
        at,
        "path, coloured by step",
        style.MUTED,
        mode="lines+markers",
        customdata=np.column_stack([steps, np.round(off, 3)]),
        hovertemplate=hover,
        marker={
            "color": steps.astype(np.float64),
            "colorscale": TIME_COLOURS,
            "size": 3.6,
            "colorbar": {"title": {"text": "step"}, "thickness": 12, "len": 0.7, "x": 1.0},
        },
    )
    traces = [
        *_net(),
        _line(circle, "great circle", style.FIT, width=4, hoverinfo="skip"),
        points,
        _marks(at[[0]], "start", "diamond", "#5b7fd1", steps[[0]]),
        _marks(at[[-1]], "end", "square", "#e08a1e", steps[[-1]]),
    ]
    if cut.sizes.get("segment", 0) > 1:
        changes = np.searchsorted(steps, cut["start"].values[1:])
        traces.append(_marks(at[changes], "new segment", "circle-open", style.SPIKE, steps[changes], size=7))
    hidden = {"visible": False, "range": [-1.05, 1.05]}
    # The first axis points to the middle of the path: look at it from there, a little from above and from the side.
    eye = {"x": 1.5, "y": -0.4, "z": 0.6}
    scene = {
        "xaxis": hidden,
        "yaxis": hidden,
        "zaxis": hidden,
        "aspectmode": "manual",
        "aspectratio": dict.fromkeys("xyz", 1.7),
        "camera": {
            "eye": eye,
            "projection": {"type": "orthographic"},
        },
    }
    return style.build(
        traces,
        title=title,
        xaxis={},
        yaxis={},
        scene=scene,
        height=HEIGHT,
        margin={"l": 0, "r": 0, "t": 56, "b": 0},
    )


def _line(at: Float64[np.ndarray, "t 3"], name: str, colour: str, **options: Any) -> dict[str, Any]:
    stroke = {"color": colour, "width": options.pop("width", 2)}
    options.setdefault("mode", "lines")
    places = {axis: np.round(at[:, i], 4) for i, axis in enumerate("xyz")}
    return {"type": "scatter3d", "name": name, "line": stroke, **places, **options}


def _marks(
    at: Float64[np.ndarray, "t 3"],
    name: str,
    symbol: str,
    colour: str,
    steps: np.ndarray[Any, Any],
    size: int = 7,
) -> dict[str, Any]:
    marker = {"symbol": symbol, "size": size, "color": colour}
    hover = f"{name}: step %{{customdata}}<extra></extra>"
    places = {axis: np.round(at[:, i], 4) for i, axis in enumerate("xyz")}
    return {
        "type": "scatter3d",
        "mode": "markers",
        "name": name,
        "marker": marker,
        "customdata": steps,
        "hovertemplate": hover,
        **places,
    }


def _net() -> list[dict[str, Any]]:
    angle = np.linspace(0.0, 2.0 * np.pi, _POINTS)
    gap = np.full((1, 3), np.nan)
    lines = []
    for turned in np.pi * np.arange(_MERIDIANS // 2) / (_MERIDIANS // 2):
        flat = np.cos(angle)
        lines += [np.column_stack([flat * np.cos(turned), flat * np.sin(turned), np.sin(angle)]), gap]
    heights = np.pi * (np.arange(_PARALLELS + 2) / (_PARALLELS + 1) - 0.5)
    for height in heights[1:-1]:
        ring = np.cos(height)
        lines += [
            np.column_stack([ring * np.cos(angle), ring * np.sin(angle), np.full(_POINTS, np.sin(height))]),
            gap,
        ]
    net = _line(
        np.concatenate(lines), "sphere", _NET, width=1.5, hoverinfo="skip", showlegend=False, opacity=0.5
    )
    fine = np.linspace(-np.pi / 2.0, np.pi / 2.0, _POINTS // 2)
    skin = {
        "type": "surface",
        "x": np.round(np.outer(np.cos(fine), np.cos(angle)), 3),
        "y": np.round(np.outer(np.cos(fine), np.sin(angle)), 3),
        "z": np.round(np.outer(np.sin(fine), np.ones(_POINTS)), 3),
        "colorscale": [[0.0, _NET], [1.0, _NET]],
        "showscale": False,
        "opacity": 0.14,
        "hoverinfo": "skip",
        "contours": {axis: {"highlight": False} for axis in "xyz"},
        "lighting": {"ambient": 0.9, "diffuse": 0.3, "specular": 0.0},
    }
    return [skin, net]


def sphere_data(path: xr.Dataset) -> pd.DataFrame:
    """Tabulate what `sphere` draws.

    Args:
        path: of one side.

    Returns:
        Step, coordinates on the great 2-sphere, angles off the sphere and off the great circle in radians, singular
        value, its rank and its overlap with the step before.
    """
    at = path["path"].sel(dims=2).values
    return pd.DataFrame(
        {
            "step": path["step"].values,
            "toward_mean": at[:, 0],
            "along_motion": at[:, 1],
            "across": at[:, 2],
            "off_sphere": path["residuals"].sel(dims=2).values,
            "off_circle": path["residuals"].sel(dims=1).values,
            "singular_value": path["value"].values,
            "rank": path["rank"].values,
            "overlap": path["overlap"].values,
        }
    )
