"""Figures of the study of the drift mode: how it scales with the rate and with time, and where it points."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
import xarray as xr
from jaxtyping import Float64

from eigentrail.report.figures import style
from eigentrail.report.sections import Plot
from eigentrail.studies.claims import Measured

_KINDS = (("plain", "without weight decay", style.DATA), ("decay", "with weight decay", style.SPIKE))


def plots(measured: Measured) -> list[Plot]:
    """Draw what the study of the drift measured.

    Args:
        measured: with `rates`, `growth` and `first`.

    Returns:
        The figures: slope and variance over the rate, variance over time, the first component over the singular
        matrices.
    """
    rates, growth, first = (measured.data[name] for name in ("rates", "growth", "first"))
    return [
        Plot(
            against_rate(rates, "slope", "Slope of the drift against the rate", "slope a per step", 1.0),
            measured.table,
            "Each point is a stretch of training at a constant rate from the same weights. Orange: proportional to "
            "the rate, through the middle point. Bars: one standard error.",
            "slope-by-rate",
        ),
        Plot(
            against_rate(
                rates, "variance", "Variance of the first component against the rate", "variance", 2.0
            ),
            measured.table,
            "Orange: proportional to the square of the rate, through the middle point.",
            "variance-by-rate",
        ),
        Plot(
            against_time(growth),
            growth.to_dataframe().reset_index(),
            "Variance of the first component over the first T steps. A drift grows as T², a random walk as T (orange).",
            "variance-by-time",
        ),
        Plot(
            over_singular(first),
            first.to_dataframe().reset_index(),
            "Product of the first component with each singular matrix of the last weights, largest singular value "
            "first. Orange: a random direction. Dotted: the last spike above the Marchenko-Pastur bulk.",
            "first-component",
        ),
    ]


def against_rate(rates: xr.Dataset, what: str, title: str, unit: str, power: float) -> go.Figure:
    """Draw a number against the learning rate, both logarithmic.

    Args:
        rates: `KIND_slope`, `KIND_slope_error` and `KIND_variance` over `KIND_lr`.
        what: "slope" or "variance".
        title: of the figure.
        unit: of the vertical axis.
        power: of the rate that is claimed.

    Returns:
        The figure.
    """
    traces: list[dict[str, Any]] = []
    for kind, name, colour in _KINDS:
        x, y = rates[f"{kind}_lr"].values, rates[f"{kind}_{what}"].values
        trace = style.line(x, y, name, colour, mode="lines+markers", marker={"size": 7})
        if what == "slope":
            trace["error_y"] = {"type": "data", "array": rates[f"{kind}_slope_error"].values, "width": 3}
        traces.append(trace)
        middle = len(x) // 2
        if len(x) and y[middle] > 0:
            claimed = y[middle] * (x / x[middle]) ** power
            traces.append(
                style.line(
                    x, claimed, "claimed power", style.NULL, dash="dot", width=1.3, showlegend=kind == "plain"
                )
            )
    return style.build(
        traces,
        title=title,
        xaxis=style.axis("learning rate η", type="log", nticks=6),
        yaxis=style.axis(unit, type="log", nticks=6),
    )


def against_time(growth: xr.Dataset) -> go.Figure:
    """Draw the variance against the length of the observation.

    Args:
        growth: `plain` and `decay` over `KIND_duration`.

    Returns:
        The figure.
    """
    traces: list[dict[str, Any]] = []
    for kind, name, colour in _KINDS:
        x, y = growth[f"{kind}_duration"].values, growth[kind].values
        traces.append(style.line(x, y, name, colour, mode="lines+markers", marker={"size": 6}))
        for power, dash in ((2.0, "dash"), (1.0, "dot")):
            label = "drift, T²" if power == 2.0 else "random walk, T"
            traces.append(
                style.line(
                    x,
                    y[-1] * (x / x[-1]) ** power,
                    label,
                    style.MUTED if power == 2.0 else style.NULL,
                    dash=dash,
                    width=1.2,
                    showlegend=kind == "plain",
                )
            )
    return style.build(
        traces,
        title="Variance of the first component against time",
        xaxis=style.axis("length of the observation (steps)", type="log", nticks=6),
        yaxis=style.axis("variance", type="log", nticks=6),
    )


def over_singular(first: xr.Dataset) -> go.Figure:
    """Draw the products of the first component with the singular matrices.

    Args:
        first: `plain` and `decay`; each has attributes `chance` and `spikes`.

    Returns:
        The figure.
    """
    traces: list[dict[str, Any]] = []
    shapes = []
    for kind, name, colour in _KINDS:
        y: Float64[np.ndarray, " m"] = first[kind].values
        x = np.arange(1, len(y) + 1)
        traces.append(style.line(x, y, name, colour, mode="lines+markers", marker={"size": 4}))
        spikes = int(first[kind].attrs["spikes"])
        line = {"color": colour, "dash": "dot", "width": 1.2}
        shapes.append(
            {"type": "line", "xref": "x", "yref": "paper", "x0": spikes + 0.5, "x1": spikes + 0.5, "y0": 0, "y1": 1,
             "line": line}
        )  # fmt: skip
    ends = np.array([1.0, len(y)])
    chance = float(first["plain"].attrs["chance"])
    traces.append(
        style.line(ends, np.full(2, chance), "random direction (null)", style.NULL, dash="dash", width=1.4)
    )
    return style.build(
        traces,
        title="The first component over the singular matrices",
        xaxis=style.axis("singular matrix"),
        yaxis=style.axis("|p₁ · uvᵀ|", rangemode="tozero"),
        shapes=shapes,
    )
