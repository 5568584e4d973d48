"""Figures of the study of the drift mode: how it scales with the rate and with time, and where it points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import xarray as xr
from jaxtyping import Float64

from eigentrail.figures import style
from eigentrail.recipes.framework.measurement import Measurement
from eigentrail.report.sections import Plot

_KINDS = (("plain", "without weight decay", style.DATA), ("decay", "with weight decay", style.SPIKE))


def plots(measured: Measurement) -> list[Plot]:
    """Draw what the study of the drift measured.

    Args:
        measured: with `rates`, `growth`, `first`, `model`, and for either kind `long-KIND` and `directions-KIND`.

    Returns:
        The figures: slope and variance over the rate, variance over time, the first component over the singular
        matrices, the drift over many epochs, predicted beside measured variances.
    """
    rates, growth, first = (measured.data[name] for name in ("rates", "growth", "first"))
    return [
        Plot(
            against_rate(rates, "slope", "Slope of the drift against the rate", "slope a per step", 1.0),
            measured.table,
            "Each point is a stretch of training at a constant rate from the same weights. Grey: proportional to "
            "the rate, through the middle point. Bars: one standard error.",
            "slope-by-rate",
        ),
        Plot(
            against_rate(
                rates, "variance", "Variance of the first component against the rate", "variance", 2.0
            ),
            measured.table,
            "Grey: proportional to the square of the rate, through the middle point.",
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
            "first. Grey: a random direction. Dotted: the last spike above the Marchenko-Pastur bulk.",
            "first-component",
        ),
        *(
            Plot(
                over_epochs(measured.data[f"long-{kind}"], name),
                measured.data[f"long-{kind}"].to_dataframe().reset_index(),
                "Weights along the first component of a stretch as long as the training, at the last rate (S1 figure "
                "6.5). Grey: the line through its first eighth, about as long as the other stretches.",
                f"long-{kind}",
            )
            for kind, name, _ in _KINDS
            if f"long-{kind}" in measured.data
        ),
        Plot(
            predicted_drift(measured.data["model"]),
            measured.table,
            "Variance of the first component, a point for each rate. Circles: the quadratic model with the covariances "
            "of its decays. Crosses: S1's sum without them (6.13). Grey: predicted as measured.",
            "predicted-drift",
        ),
        Plot(
            predicted_directions(measured.data),
            pd.concat(
                [
                    measured.data[f"directions-{kind}"].to_dataframe().reset_index().assign(kind=kind)
                    for kind, _, _ in _KINDS
                    if f"directions-{kind}" in measured.data
                ]
            ),
            "Variance along each direction of the quadratic model, steepest darkest. Grey: predicted as measured. "
            "What lies below it moves by noise.",
            "predicted-directions",
        ),
    ]


def over_epochs(data: xr.Dataset, name: str) -> go.Figure:
    """Draw the drift over many epochs with its line and its exponential.

    Args:
        data: `theta`, `line`, `exponential` over [step], with `epoch`.
        name: of the kind of training.

    Returns:
        The figure.
    """
    epochs = data["epoch"].values.astype(np.float64)
    theta = data["theta"].values
    line = data["line"].values
    # A line that leaves the picture says no more.
    low, high = theta.min(), theta.max()
    line = np.where((line < low - 0.3 * (high - low)) | (line > high + 0.3 * (high - low)), np.nan, line)
    return style.build(
        [
            style.line(epochs, theta, "θ₁", style.DATA, mode="markers", marker={"size": 5}),
            style.line(epochs, line, "line through its first eighth", style.NULL, dash="dash", width=1.6),
            style.line(epochs, data["exponential"].values, "exponential", style.SPIKE, width=1.6),
        ],
        title=f"The drift over many epochs, {name}",
        xaxis=style.axis("epoch"),
        yaxis=style.axis("θ₁ = w · p₁"),
    )


def predicted_drift(model: xr.Dataset) -> go.Figure:
    """Draw the predicted variance of the drift against the measured one.

    Args:
        model: `KIND_variance`, `KIND_model_variance`, `KIND_model_sum` over `KIND_rate`.

    Returns:
        The figure.
    """
    traces: list[dict[str, Any]] = []
    seen: list[Float64[np.ndarray, " r"]] = []
    for kind, name, colour in _KINDS:
        measured = model[f"{kind}_variance"].values
        seen.append(measured)
        for column, label, symbol in (
            ("model_variance", "with covariances", "circle"),
            ("model_sum", "sum without", "x"),
        ):
            predicted = model[f"{kind}_{column}"].values
            seen.append(predicted)
            marker = {"size": 8, "symbol": symbol, "color": colour}
            traces.append(
                style.line(measured, predicted, f"{name}, {label}", colour, mode="markers", marker=marker)
            )
    return _as_measured(traces, np.concatenate(seen), "Variance of the drift: predicted and measured")


def predicted_directions(data: Mapping[str, xr.Dataset]) -> go.Figure:
    """Draw the predicted variance along each direction against the measured one.

    Args:
        data: for either kind `directions-KIND` with `predicted`, `measured` and `curvature`.

    Returns:
        The figure.
    """
    traces: list[dict[str, Any]] = []
    seen: list[Float64[np.ndarray, " k"]] = []
    for kind, name, colour in _KINDS:
        if f"directions-{kind}" not in data:
            continue
        one = data[f"directions-{kind}"]
        order = np.argsort(-np.abs(one["curvature"].values))
        measured, predicted = one["measured"].values[order], one["predicted"].values[order]
        seen += [measured, predicted]
        marker = {"size": 7, "color": colour, "opacity": np.linspace(1.0, 0.3, len(order)).tolist()}
        hover = "curvature %{customdata:.3g}: predicted %{y:.3g}, measured %{x:.3g}<extra></extra>"
        traces.append(
            style.line(
                measured,
                predicted,
                name,
                colour,
                mode="markers",
                marker=marker,
                customdata=one["curvature"].values[order],
                hovertemplate=hover,
            )
        )
    title = "Variance along the directions of the well: predicted and measured"
    return _as_measured(traces, np.concatenate(seen), title)


def _as_measured(traces: list[dict[str, Any]], seen: Float64[np.ndarray, " v"], title: str) -> go.Figure:
    known = seen[np.isfinite(seen) & (seen > 0.0)]
    ends = np.array([known.min(), known.max()]) if len(known) else np.array([1e-6, 1.0])
    traces.append(style.line(ends, ends, "predicted as measured", style.NULL, dash="dash", width=1.4))
    return style.build(
        traces,
        title=title,
        xaxis=style.axis("measured variance", type="log", nticks=6),
        yaxis=style.axis("predicted variance", type="log", nticks=6),
    )


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
