"""The path of a unit vector on the sphere that holds it best."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import xarray as xr
from jaxtyping import Float64

from eigentrail.figures import style

#: From early to late; each end has contrast on light and on dark ground.
TIME_COLOURS = [[0.0, "#5b7fd1"], [0.5, "#b0568f"], [1.0, "#e08a1e"]]
_NET = "#9aa2ae"
# The circles of segments: they have contrast to each other, to the path and on both grounds.
_SEGMENTS = (style.OTHER, "#d0453b", "#96851f", "#2f86d6")
# Arcs of segments lie this far above the sphere, the path above them and its marks highest: all of them are seen.
_ARCS, _PATH, _MARKS = 1.006, 1.012, 1.02
# How far the circle of a segment is drawn beyond its arc on each side, in radians.
_BEYOND = np.pi / 4.0
# Between neighbouring points of an arc, in radians.
_APART = np.pi / 60.0
_MERIDIANS, _PARALLELS, _POINTS = 12, 5, 37
HEIGHT = 520
# The axes end there; the size of the scene; the first axis points to the middle of the path: the camera looks from
# there, a little from above and from the side.
_EDGE, _SIZE, _EYE = 1.05, 1.7, np.array([1.5, -0.4, 0.6])
# How much of the sphere is seen around a short path, and how much larger than the whole sphere it is shown at most.
_AROUND, _NEAREST = 0.25, 2.5


def sphere(path: xr.Dataset, cut: xr.Dataset, title: str) -> go.Figure:
    """Draw a path on its great 2-sphere, with the great circle through it and those of its segments.

    Args:
        path: of one side, as `singular_path` gives it.
        cut: the segments of that side; without variables where there are none.
        title: title of the figure.

    Returns:
        A figure to turn: the sphere as a net, the circle through all steps, the path coloured by step, its start and
        its end; where there are several segments, the arc of the great circle fitted to each, projected onto this
        sphere, and the steps at which a new one begins.
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
        _PATH * at,
        "path, coloured by step",
        style.MUTED,
        mode="lines+markers",
        customdata=np.column_stack([steps, np.round(off, 3)]),
        hovertemplate=hover,
        marker={
            "color": steps.astype(np.float64),
            "colorscale": TIME_COLOURS,
            "size": 2.6,
            "colorbar": {"title": {"text": "step"}, "thickness": 12, "len": 0.7, "x": 1.0},
        },
    )
    traces = [
        *_net(),
        _line(circle, "great circle of all steps", style.FIT, width=3, hoverinfo="skip"),
        *_arcs(cut),
        points,
        _marks(_MARKS * at[[0]], "start", "diamond", "#5b7fd1", steps[[0]]),
        _marks(_MARKS * at[[-1]], "end", "square", "#e08a1e", steps[[-1]]),
    ]
    if cut.sizes.get("segment", 0) > 1:
        changes = np.searchsorted(steps, cut["start"].values[1:])
        traces.append(_marks(_MARKS * at[changes], "new segment", "circle-open", style.SPIKE, steps[changes]))
    hidden = {"visible": False, "range": [-_EDGE, _EDGE]}
    nearer, middle = _nearer(at)
    scene = {
        "xaxis": hidden,
        "yaxis": hidden,
        "zaxis": hidden,
        "aspectmode": "manual",
        "aspectratio": dict.fromkeys("xyz", _SIZE * nearer),
        "camera": {
            "center": dict(zip("xyz", middle.tolist(), strict=True)),
            "eye": dict(zip("xyz", (middle + nearer * _EYE).tolist(), strict=True)),
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
        margin={"l": 0, "r": 0, "t": 40, "b": 0},
        legend={"y": -0.02, "yanchor": "top"},
    )


def _nearer(at: Float64[np.ndarray, "t 3"]) -> tuple[float, Float64[np.ndarray, " 3"]]:
    """Choose how much larger than the whole sphere a short path is shown, and where the camera looks."""
    mean = at.mean(axis=0)
    length = float(np.linalg.norm(mean))
    if length < 1e-9:
        return 1.0, np.zeros(3)
    mean /= length
    reach = float(np.linalg.norm(at - mean, axis=1).max())
    nearer = float(np.clip(_EDGE / (reach + _AROUND), 1.0, _NEAREST))
    return nearer, (nearer - 1.0) * _SIZE / (2.0 * _EDGE) * mean


def _arcs(cut: xr.Dataset) -> list[dict[str, Any]]:
    """Draw the arc of each segment; none for a path that is one segment, whose circle is that of all steps."""
    count = cut.sizes.get("segment", 0)
    if count < 2:
        return []
    arcs = []
    for place in range(count):
        one = cut.isel(segment=place)
        start, stop = int(one["start"]), int(one["stop"])
        low, high = float(one["from_angle"]), float(one["to_angle"])
        beyond = min(_BEYOND, max(0.0, np.pi - (high - low) / 2.0))
        name = f"circle of steps {start} to {stop}"
        colour = _SEGMENTS[place % len(_SEGMENTS)]
        hover = (
            f"great circle fitted to steps {start} to {stop}: arc {np.degrees(float(one['arc'])):.3g}°, "
            f"score {float(one['score']):.3f}<extra></extra>"
        )
        of = one["circle"].values
        long, short = _on_circle(of, low - beyond, high + beyond), _on_circle(of, low, high)
        shared = {"legendgroup": f"segment {place}", "hovertemplate": hover}
        arcs += [
            _line(_ARCS * long, name, colour, width=2.5, showlegend=False, **shared),
            _line(_ARCS * short, name, colour, width=10, **shared),
        ]
    return arcs


def _on_circle(of: Float64[np.ndarray, "2 3"], low: float, high: float) -> Float64[np.ndarray, "p 3"]:
    """Place points on the sphere over an arc of the projected circle that two directions span."""
    angle = np.linspace(low, high, max(2, int(np.ceil((high - low) / _APART)) + 1))
    inside = np.column_stack([np.cos(angle), np.sin(angle)]) @ of
    return np.asarray(inside / np.maximum(np.linalg.norm(inside, axis=1, keepdims=True), 1e-12))


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


def sphere_data(path: xr.Dataset, cut: xr.Dataset) -> pd.DataFrame:
    """Tabulate what `sphere` draws.

    Args:
        path: of one side.
        cut: the segments of that side; without variables where there are none.

    Returns:
        Step, number of its segment (from 1 on), coordinates on the great 2-sphere, angles off the sphere and off the
        great circle of all steps in radians, singular value, its rank and its overlap with the step before.
    """
    at = path["path"].sel(dims=2).values
    steps = path["step"].values
    starts = cut["start"].values if "start" in cut else steps[:1]
    return pd.DataFrame(
        {
            "step": steps,
            "segment": np.searchsorted(starts, steps, side="right"),
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
