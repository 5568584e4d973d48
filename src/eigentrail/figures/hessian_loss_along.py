"""Loss and accuracy along eigenvectors of a Hessian, and with some of them added back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import xarray as xr

from eigentrail.figures import style
from eigentrail.figures.loss_labels import loss_label

_ORDERS = {
    "value": "largest eigenvalue first",
    "magnitude": "largest magnitude first",
    "product": "largest weight product first",
    "random": "random directions",
}


def _loss(data: xr.Dataset) -> str:
    name, unit = loss_label(str(data.attrs.get("loss_name", "cross-entropy")))
    return f"{name} ({unit})" if unit else name


def add_back(curves: xr.Dataset, what: str) -> go.Figure:
    """Draw accuracy or loss against the number of directions that are added back.

    Args:
        curves: `accuracy` and `loss` over [order, k].
        what: "accuracy" or "loss".

    Returns:
        A line for each order, and the value of the whole weights.
    """
    traces = []
    k = curves["k"].values
    for number, order in enumerate(map(str, curves["order"].values)):
        y = curves[what].sel(order=order).values
        there = np.isfinite(y)
        name = _ORDERS.get(order, order)
        colour = style.NULL if order == "random" else (style.DATA, style.FIT, style.OTHER)[number % 3]
        traces.append(
            style.line(
                k[there] + 1.0,
                y[there],
                name,
                colour,
                dash="dot" if order == "random" else "solid",
                customdata=k[there],
                hovertemplate=f"{name}<br>%{{customdata}} directions: %{{y:.4g}}<extra></extra>",
            )
        )
    whole = float(curves.attrs[f"{what}_full"])
    traces.append(
        style.line(
            np.array([1.0, float(k[-1]) + 1.0]),
            np.full(2, whole),
            "all weights",
            style.MUTED,
            dash="dash",
            hoverinfo="skip",
        )
    )
    options: dict[str, Any] = (
        {"tickformat": ".0%", "range": [0, 1.02]} if what == "accuracy" else {"type": "log"}
    )
    tested = curves.attrs.get("tested_on")
    unit = ("accuracy" if what == "accuracy" else _loss(curves)) + (f" on {tested} samples" if tested else "")
    return style.build(
        traces,
        title=f"Adding eigenvectors back: {what}",
        xaxis=style.axis("directions added, plus 1", type="log", dtick=1),
        yaxis=style.axis(unit, **options),
    )


def add_back_data(curves: xr.Dataset) -> pd.DataFrame:
    """Tabulate add-back curves.

    Args:
        curves: as given to `add_back`.

    Returns:
        `order`, `k`, `loss`, `accuracy`.
    """
    return (
        curves[["loss", "accuracy"]].to_dataframe().reset_index().dropna()[["order", "k", "loss", "accuracy"]]
    )


def landscape(curves: xr.Dataset, what: str) -> go.Figure:
    """Draw the loss or accuracy along eigenvectors against their coordinate.

    Args:
        curves: over [direction, place], see the analysis `curvature`.
        what: "loss" or "accuracy".

    Returns:
        A line for each direction, its quadratic prediction dashed for the loss, and a marker where the weights are.
    """
    traces: list[dict[str, Any]] = []
    for number in range(curves.sizes["direction"]):
        one = curves.isel(direction=number)
        x, y = one["coordinate"].values, one[what].values
        name = f"eigenvector {int(one['rank']) + 1}, λ = {float(one['value']):.3g}"
        colour = style.CYCLE[number % len(style.CYCLE)]
        traces.append(
            style.line(
                x, y, name, colour, hovertemplate=f"{name}<br>α = %{{x:.3g}}: %{{y:.4g}}<extra></extra>"
            )
        )
        if what == "loss":
            quadratic = one["quadratic"].values
            # Beyond the loss that was seen the parabola would take the whole figure.
            kept = quadratic < 1.2 * np.nanmax(curves["loss"].values)
            traces.append(
                style.line(
                    x[kept],
                    quadratic[kept],
                    f"{name}: quadratic",
                    colour,
                    dash="dash",
                    width=1.3,
                    showlegend=False,
                    hoverinfo="skip",
                )
            )
        at = float(one["at"])
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": [at],
                "y": [float(np.interp(at, x, y))],
                "marker": {"color": colour, "size": 9, "symbol": "circle-open", "line": {"width": 2}},
                "name": f"{name}: the weights",
                "showlegend": False,
                "hovertemplate": f"the weights: α = {at:.3g}<extra></extra>",
            }
        )
    options: dict[str, Any] = {"tickformat": ".0%", "range": [0, 1.02]} if what == "accuracy" else {}
    return style.build(
        traces,
        title="Loss along eigenvectors" if what == "loss" else "Accuracy along eigenvectors",
        xaxis=style.axis("coordinate α along the eigenvector (0: taken out)"),
        yaxis=style.axis(f"{_loss(curves)}; dashed: quadratic" if what == "loss" else "accuracy", **options),
    )


def landscape_data(curves: xr.Dataset) -> pd.DataFrame:
    """Tabulate landscapes.

    Args:
        curves: as given to `landscape`.

    Returns:
        A row per direction and place.
    """
    wanted = ["rank", "value", "coordinate", "loss", "quadratic", "accuracy"]
    return curves.to_dataframe().reset_index()[wanted]


def flatness(data: xr.Dataset) -> go.Figure:
    """Draw the variance of the weights along eigenvectors against the curvature.

    Args:
        data: `value` and `variance` over [k]; attribute `h_cross`, negative where it is not known.

    Returns:
        Points on logarithmic axes, with a line of exponent 1 through the middle one to compare with, and h_cross.
    """
    h, s = data["value"].values, data["variance"].values
    shown = np.unique(np.round(np.linspace(0, len(h) - 1, min(len(h), 1200))).astype(int))
    middle = len(h) // 2
    x = np.array([h[-1], h[0]])
    traces: list[dict[str, Any]] = [
        {
            "type": "scatter",
            "mode": "markers",
            "x": h[shown],
            "y": s[shown],
            "name": "eigenvectors",
            "marker": {"color": style.DATA, "size": 4, "opacity": 0.5},
            "hovertemplate": "curvature %{x:.3g}: variance %{y:.3g}<extra></extra>",
        },
        style.line(
            x,
            s[middle] * (x / h[middle]),
            "variance ∝ curvature (exponent 1)",
            style.NULL,
            dash="dot",
            hoverinfo="skip",
        ),
    ]
    cross = float(data.attrs.get("h_cross", -1.0))
    if cross > 0:
        traces.append(
            style.vertical(
                cross, "h_cross = 3 S (1 − β) ÷ (η N)", style.FIT, float(s.max()), base=float(s.min())
            )
        )
    return style.build(
        traces,
        title="Variance of the weights against curvature",
        xaxis=style.axis("curvature along the eigenvector", type="log", dtick=1),
        yaxis=style.axis("variance over the steps", type="log", dtick=1),
    )


def flatness_data(data: xr.Dataset) -> pd.DataFrame:
    """Tabulate the relation.

    Args:
        data: as given to `flatness`.

    Returns:
        `curvature`, `variance`.
    """
    return pd.DataFrame({"curvature": data["value"].values, "variance": data["variance"].values})
