"""What all figures share: colours by role, the two templates, axes, and the way null and data are told apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float64, Int64

from eigentrail._untrusted import plotly_text

# Each colour has at least 3:1 contrast on white and on the dark page, so that one figure serves both.
DATA = "#3f87cf"
ORANGE = "#cf7a1e"
# Grey is the null model, on every page.
NULL = "#7f858f"
SPIKE = "#d6457f"
FIT = "#8a68d6"
OTHER = "#1c9a86"
MUTED = "#858b95"
CYCLE = (DATA, ORANGE, OTHER, SPIKE, FIT, "#5f9a3c", "#a5794f", "#8f8a1f", MUTED, "#c9665c")

#: What separates a layer from its run in a label ("fc1.weight · s0").
OF_RUN = " · "
DASHES = ("solid", "dash", "dot", "dashdot")

PHASE_COLOURS = {
    "random-like": MUTED,
    "bleeding-out": OTHER,
    "bulk+spikes": DATA,
    "bulk-decay": FIT,
    "heavy-tailed": ORANGE,
    "rank-collapse": SPIKE,
}


def series(labels: Sequence[str]) -> list[tuple[int, int]]:
    """Give each curve of a figure its place among the colours and the dashes.

    Args:
        labels: the curves' names, such as "fc1.weight", or "fc1.weight · s0" where there are several runs.

    Returns:
        For each curve a place in `CYCLE` and one in `DASHES`: of several runs each has its colour, the one that it has
        on the whole page, and each layer its dash; of one run each layer has its colour.
    """
    parts = [label.rpartition(OF_RUN) for label in labels]
    runs = list(dict.fromkeys(run for layer, _, run in parts if layer))
    if len(runs) < 2 or not all(layer for layer, _, _ in parts):
        return [(number, 0) for number in range(len(labels))]
    layers = list(dict.fromkeys(layer for layer, _, _ in parts))
    return [(runs.index(run), layers.index(layer) % len(DASHES)) for layer, _, run in parts]


def template(*, dark: bool) -> go.layout.Template:
    """Build the template of all figures.

    Args:
        dark: for a dark ground instead of a light one.

    Returns:
        A Plotly template; grounds are transparent, so that a figure takes the colour of its page.
    """
    ink, grid, line = ("#d7dbe2", "#2c323b", "#525a66") if dark else ("#22262d", "#e6e8ec", "#aab0ba")
    panel = "#20252d" if dark else "#ffffff"
    axis = {
        "gridcolor": grid,
        "linecolor": line,
        "zerolinecolor": grid,
        "tickcolor": line,
        "ticks": "outside",
        "ticklen": 4,
        "showline": True,
        "title": {"standoff": 8, "font": {"size": 12}},
    }
    layout = {
        "font": {"family": "system-ui, -apple-system, 'Segoe UI', sans-serif", "size": 12, "color": ink},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "colorway": list(CYCLE),
        "xaxis": axis,
        "yaxis": axis,
        "margin": {"l": 62, "r": 22, "t": 42, "b": 50},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "font": {"size": 11}},
        "hoverlabel": {
            "bgcolor": panel,
            "bordercolor": line,
            "font": {"color": ink, "size": 12},
            "align": "left",
        },
        "title": {"font": {"size": 14}, "x": 0, "xanchor": "left"},
        "annotationdefaults": {"font": {"size": 11, "color": ink}, "showarrow": False},
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": line, "activecolor": DATA},
    }
    return go.layout.Template(layout=layout)


LIGHT = template(dark=False)
DARK = template(dark=True)


def axis(title: str, **options: Any) -> dict[str, Any]:
    """Describe an axis.

    Args:
        title: what it shows, with its unit.
        **options: further properties of a Plotly axis.

    Returns:
        The axis as a dict; very small and large numbers are labelled by powers of ten.
    """
    described: dict[str, Any] = {"title": {"text": title}, **options}
    # Without it a title stands on tick labels that are wider than the margin.
    described.setdefault("automargin", True)
    described.setdefault("exponentformat", "power")
    return described


#: Where the legend of a figure stands that shows its own title.
BELOW = {"y": -0.22, "yanchor": "top"}


def build(
    traces: Sequence[dict[str, Any]],
    *,
    title: str,
    xaxis: dict[str, Any],
    yaxis: dict[str, Any],
    **layout: Any,
) -> go.Figure:
    """Put traces and axes together in the common style.

    Args:
        traces: Plotly traces as dicts.
        title: title of the figure (trusted text, or made harmless by `plotly_text`).
        xaxis: from `axis`.
        yaxis: from `axis`.
        **layout: further properties of the layout.

    Returns:
        The figure, with the light template.
    """
    body: dict[str, Any] = {
        "title": {"text": title},
        "xaxis": xaxis,
        "yaxis": yaxis,
        "template": LIGHT,
        **layout,
    }
    # A figure on its own carries its title where the page's figures have their legend: the legend goes below.
    body["legend"] = BELOW | body.get("legend", {})
    # Plotly's validation takes most of the time of a page of hundreds of matrices; the tests validate every figure.
    return go.Figure(data=list(traces), layout=body, _validate=False)


def line(x: Any, y: Any, name: str, colour: str, **options: Any) -> dict[str, Any]:
    """Describe a curve.

    Args:
        x: abscissae.
        y: ordinates.
        name: its name in the legend.
        colour: its colour.
        **options: `dash`, `width` of the line; all others are properties of the trace.

    Returns:
        A scatter trace as a dict.
    """
    stroke = {"color": colour, "width": options.pop("width", 2), "dash": options.pop("dash", "solid")}
    return {"type": "scatter", "mode": "lines", "x": x, "y": y, "name": name, "line": stroke, **options}


def vertical(x: float, name: str, colour: str, height: float, **options: Any) -> dict[str, Any]:
    """Describe a vertical line that has an entry in the legend and a hover text.

    Args:
        x: where it stands.
        name: its name in the legend.
        colour: its colour.
        height: its upper end in units of the vertical axis.
        **options: see `line`; `base` is its lower end (0).

    Returns:
        A scatter trace as a dict.
    """
    base = float(options.pop("base", 0.0))
    hover = f"{name}: %{{x:.4g}}<extra></extra>"
    # Several points, because a hover text shows only near a point of the curve.
    y = np.geomspace(base, height, 5) if base > 0 else np.linspace(base, height, 5)
    return line(np.full(5, float(x)), y, name, colour, hovertemplate=hover, **options)


def steps(edges: Float64[np.ndarray, "bins+1"], heights: Float64[np.ndarray, " bins"]) -> tuple[Any, Any]:
    """Turn a histogram into the corners of its outline.

    Args:
        edges: borders of the bins, ascending.
        heights: one height per bin.

    Returns:
        Abscissae and ordinates of the outline, starting and ending at height 0.
    """
    x = np.repeat(edges, 2)
    y = np.concatenate([[0.0], np.repeat(heights, 2), [0.0]])
    return x, y


def histogram(
    values: Float64[np.ndarray, " n"], edges: Float64[np.ndarray, "bins+1"], total: int | None = None
) -> tuple[Float64[np.ndarray, " bins"], Int64[np.ndarray, " bins"]]:
    """Count values in bins.

    Args:
        values: numbers; those outside the edges are not counted but count in the normalisation.
        edges: borders of the bins, ascending.
        total: number that the density is normalised by; that of all values if None.

    Returns:
        The density (its integral is the share of values inside the edges) and the counts.
    """
    counts, _ = np.histogram(values, bins=edges)
    size = values.size if total is None else total
    return counts / (max(size, 1) * np.diff(edges)), counts.astype(np.int64)


def note(text: str, **options: Any) -> dict[str, Any]:
    """Describe a remark inside a figure.

    Args:
        text: what it says; made harmless here.
        **options: further properties of a Plotly annotation.

    Returns:
        An annotation as a dict, by default in the upper right corner.
    """
    place = {"xref": "paper", "yref": "paper", "x": 1, "y": 1, "xanchor": "right", "yanchor": "top"}
    return {"text": plotly_text(text, 400), "showarrow": False, "align": "right", **place, **options}


def empty(title: str, reason: str) -> go.Figure:
    """Build the figure that says why there is nothing to draw.

    Args:
        title: title of the figure.
        reason: one sentence.

    Returns:
        A figure without data.
    """
    hidden = {"visible": False}
    middle = {"x": 0.5, "y": 0.5, "xanchor": "center", "yanchor": "middle"}
    return build([], title=title, xaxis=hidden, yaxis=hidden, annotations=[note(reason, **middle)])


def probability(p: float | None) -> str:
    """Write a p-value.

    Args:
        p: the value, or None.

    Returns:
        Two significant digits, or "n/a".
    """
    if p is None or not np.isfinite(p):
        return "n/a"
    return "< 1e-16" if p < 1e-16 else f"{p:.2g}"


def p_told(p: float | None) -> str:
    """Write a p-value with its letter.

    Args:
        p: the value, or None.

    Returns:
        "p = 0.03", "p < 1e-16" or "p = n/a".
    """
    told = probability(p)
    return f"p {told}" if told.startswith("<") else f"p = {told}"
