"""Numbers against the steps of a training, for one or many layers and runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from jaxtyping import Float64, Int64

from eigentrail._untrusted import plotly_text
from eigentrail.figures import style

STEP = "step"
# Of a figure on a page, in pixels: its height, how wide its legend may be, and what an entry takes of that.
_HEIGHT, _LEGEND, _ENTRY, _LETTER, _ROW = 345, 510, 46, 6.2, 18
_ROWS = 3


@dataclass(frozen=True)
class Curve:
    """A number against steps.

    Attributes:
        label: whose number it is; made harmless here.
        steps: [T] ascending.
        values: [T]; NaN where there is none.
        epochs: [T] completed epochs, NaN where they are not known; shown on hovering.
        colour: which colour of the cycle.
        dash: which dash of the cycle.
        listed: whether it stands in the legend; False where another curve's colour tells whose it is.
    """

    label: str
    steps: Int64[np.ndarray, " t"]
    values: Float64[np.ndarray, " t"]
    epochs: Float64[np.ndarray, " t"]
    colour: int = 0
    dash: int = 0
    listed: bool = True


def log_menu() -> list[dict[str, Any]]:
    """Describe the buttons that switch the steps between linear and logarithmic.

    Returns:
        Plotly's update menus.
    """
    buttons = [
        {"label": kind, "method": "relayout", "args": [{"xaxis.type": kind, "xaxis.autorange": True}]}
        for kind in ("linear", "log")
    ]
    # Under the axis, at its right end: the legend is above.
    place = {"x": 1, "xanchor": "right", "y": 0, "yanchor": "top", "pad": {"t": 26, "b": 0, "l": 0, "r": 0}}
    return [
        {
            "type": "buttons",
            "direction": "right",
            "showactive": True,
            "buttons": buttons,
            "font": {"size": 10},
            "bgcolor": "rgba(133,139,149,0.10)",
            "bordercolor": "rgba(133,139,149,0.45)",
            **place,
        }
    ]


def step_axis(**options: Any) -> dict[str, Any]:
    """Describe the axis of steps.

    Args:
        **options: further properties of a Plotly axis.

    Returns:
        The axis as a dict.
    """
    return style.axis("step", tickformat="~d", **options)


def over_steps(
    curves: Sequence[Curve],
    title: str,
    unit: str,
    *,
    limit: tuple[float, str] | None = None,
    stairs: bool = False,
    digits: str = ".4g",
    **yaxis: Any,
) -> go.Figure:
    """Draw numbers against steps.

    Args:
        curves: at most a few dozen.
        title: title of the figure.
        unit: what the vertical axis shows, with its unit.
        limit: a horizontal line and its name: what chance gives.
        stairs: True for counts, which keep their value until the next step.
        digits: how numbers are written on hovering.
        **yaxis: further properties of the vertical axis.

    Returns:
        The figure, or one that says that there is nothing to draw.
    """
    shown = [curve for curve in curves if np.isfinite(curve.values).any()]
    if not shown:
        return style.empty(title, "None of the layers has this number at any step.")
    traces = [_trace(curve, stairs, digits) for curve in shown]
    if limit is not None:
        value, name = limit
        ends = [min(int(c.steps[0]) for c in shown), max(int(c.steps[-1]) for c in shown)]
        x, y = np.array(ends, float), np.full(2, value)
        traces.append(style.line(x, y, name, style.NULL, dash="dot", width=1.5, hoverinfo="skip"))
    return style.build(
        traces,
        title=title,
        xaxis=step_axis(),
        yaxis=style.axis(unit, **yaxis),
        updatemenus=log_menu(),
        margin={"b": 58},
        **_taller([str(trace["name"]) for trace in traces if trace.get("showlegend", True)]),
    )


def _taller(entries: Sequence[str]) -> dict[str, int]:
    """Give a figure with a long legend a height of its own, so that what it shows keeps its room."""
    across = max(1, int(_LEGEND / (_ENTRY + _LETTER * max(map(len, entries), default=1))))
    more = -(-len(entries) // across) - _ROWS
    return {"height": _HEIGHT + _ROW * more} if more > 0 else {}


def _trace(curve: Curve, stairs: bool, digits: str) -> dict[str, Any]:
    colour = style.CYCLE[curve.colour % len(style.CYCLE)]
    options: dict[str, Any] = {"width": 1.8, "dash": style.DASHES[curve.dash % len(style.DASHES)]}
    label = plotly_text(curve.label, 60)
    hover = f"{label}: %{{y:{digits}}}<br>step %{{x}}"
    if np.isfinite(curve.epochs).any():
        options["customdata"] = np.round(curve.epochs, 3)
        hover += ", epoch %{customdata:.3g}"
    line = style.line(
        curve.steps.astype(np.float64),
        curve.values,
        label,
        colour,
        hovertemplate=f"{hover}<extra></extra>",
        **options,
    )
    if not curve.listed:
        line |= {"showlegend": False}
    if stairs:
        line["line"]["shape"] = "hv"
    if len(curve.steps) <= 3:
        line["mode"] = "lines+markers"
    return line


def curve_table(curves: Sequence[Curve], name: str) -> pd.DataFrame:
    """Tabulate what `over_steps` draws.

    Args:
        curves: the curves.
        name: the column of the number.

    Returns:
        `label`, `step`, `epoch` and the number.
    """
    parts = [
        pd.DataFrame({"label": c.label, "step": c.steps, "epoch": c.epochs, name: c.values}) for c in curves
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({"label": [], "step": [], name: []})


def thinned(count: int, most: int = 280) -> Int64[np.ndarray, " n"]:
    """Choose rows of a long series, dense at its beginning, where training is fastest.

    Args:
        count: number of rows.
        most: how many to choose.

    Returns:
        Row numbers, ascending, first and last among them.
    """
    if count <= most:
        return np.arange(count)
    half = most // 2
    even = np.linspace(0, count - 1, half)
    early = np.geomspace(1, count - 1, most - half)
    return np.unique(np.round(np.concatenate([[0], even, early])).astype(np.int64))
