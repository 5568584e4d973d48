"""Eigenvectors of a Hessian by rank: weight product, participation, Porter-Thomas, concentration by layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import xarray as xr
from jaxtyping import Float64

from eigentrail._untrusted import plotly_text
from eigentrail.figures import style

_POINTS = 1200
# Apart from the colour of what chance gives.
_COLOURS = (style.DATA, style.OTHER, style.FIT)


def ranks_shown(count: int) -> Any:
    """Choose ranks for a scatter plot: the first ones all, later ones thinned.

    Args:
        count: how many directions there are.

    Returns:
        Ascending numbers from 0.
    """
    if count <= _POINTS:
        return np.arange(count)
    head = np.arange(_POINTS // 3)
    return np.unique(
        np.concatenate([head, np.linspace(len(head), count - 1, _POINTS - len(head)).astype(int)])
    )


def _rms(values: Float64[np.ndarray, " n"], window: int) -> Float64[np.ndarray, " n"]:
    total = np.concatenate([[0.0], np.cumsum(values**2)])
    at = np.arange(len(values))
    low, high = np.maximum(at - window, 0), np.minimum(at + window + 1, len(values))
    return np.asarray(np.sqrt((total[high] - total[low]) / (high - low)))


def weight_products(series: dict[str, Float64[np.ndarray, " n"]], chance: float) -> go.Figure:
    """Draw |h_i . w| / ||w|| by rank, with running root mean squares.

    Args:
        series: products by rank, by which weights they are of.
        chance: 1 / sqrt(n), the root mean square for random directions.

    Returns:
        Points and a line for each series, and the chance level.
    """
    traces: list[dict[str, Any]] = []
    most = 1
    for number, (name, values) in enumerate(series.items()):
        shown = ranks_shown(len(values))
        colour = _COLOURS[number % len(_COLOURS)]
        most = max(most, len(values))
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": shown + 1.0,
                "y": np.abs(values[shown]),
                "name": name,
                "marker": {"color": colour, "size": 4, "opacity": 0.45},
                "hovertemplate": f"{name}<br>rank %{{x}}: %{{y:.3g}}<extra></extra>",
            }
        )
        if len(values) >= 50:
            running = _rms(values, max(5, len(values) // 100))[shown]
            traces.append(
                style.line(
                    shown + 1.0, running, f"{name}, running root mean square", colour, hoverinfo="skip"
                )
            )
    traces.append(
        style.line(
            np.array([1.0, float(most)]),
            np.full(2, chance),
            "random directions",
            style.NULL,
            dash="dot",
            hoverinfo="skip",
        )
    )
    return style.build(
        traces,
        title="Weight product by rank of the eigenvalue",
        xaxis=style.axis("rank of the eigenvalue (1 the largest)", type="log", dtick=1),
        yaxis=style.axis("|h · w| ÷ ‖w‖", rangemode="tozero"),
    )


def participation(series: dict[str, Float64[np.ndarray, " n"]], n: int) -> go.Figure:
    """Draw inverse participation ratios by rank.

    Args:
        series: sum_j h_ij^4 by rank, by what they are called.
        n: entries of a direction.

    Returns:
        A line for each, and what random and wholly spread directions have.
    """
    traces = []
    most = max(len(v) for v in series.values())
    for number, (name, values) in enumerate(series.items()):
        shown = ranks_shown(len(values))
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": shown + 1.0,
                "y": values[shown],
                "name": name,
                "marker": {"color": _COLOURS[number % len(_COLOURS)], "size": 4, "opacity": 0.55},
                "hovertemplate": f"{name}<br>rank %{{x}}: %{{y:.3g}}<extra></extra>",
            }
        )
    ends = np.array([1.0, float(most)])
    traces += [
        style.line(
            ends, np.full(2, 3.0 / n), "random directions, 3 ÷ n", style.NULL, dash="dot", hoverinfo="skip"
        ),
        style.line(
            ends, np.full(2, 1.0 / n), "spread evenly, 1 ÷ n", style.MUTED, dash="dash", hoverinfo="skip"
        ),
    ]
    return style.build(
        traces,
        title="Inverse participation ratio by rank",
        xaxis=style.axis("rank of the eigenvalue (1 the largest)", type="log", dtick=1),
        yaxis=style.axis("Σ h⁴ (1: a single weight)", type="log", dtick=1),
    )


def porter_thomas(vectors: xr.Dataset) -> go.Figure:
    """Draw the averaged p-values of the Porter-Thomas test by rank.

    Args:
        vectors: with `porter_thomas_mean`.

    Returns:
        A line, and the mean that random directions have.
    """
    p = vectors["porter_thomas_mean"].values
    shown = ranks_shown(len(p))
    traces = [
        style.line(
            shown + 1.0,
            np.maximum(p[shown], 1e-12),
            "mean over 15 neighbours on either side",
            style.DATA,
            hovertemplate="rank %{x}: %{y:.2g}<extra></extra>",
        ),
        style.line(
            np.array([1.0, float(len(p))]),
            np.full(2, 0.5),
            "random directions, 0.5",
            style.NULL,
            dash="dot",
            hoverinfo="skip",
        ),
    ]
    return style.build(
        traces,
        title="Are the entries random? Porter-Thomas p-values",
        xaxis=style.axis("rank of the eigenvalue (1 the largest)", type="log", dtick=1),
        yaxis=style.axis("mean p-value (below 10⁻¹² drawn there)", type="log", dtick=1),
    )


def concentration(vectors: xr.Dataset) -> go.Figure:
    """Draw how much of each eigenvector lies in each parameter of the network.

    Args:
        vectors: with `concentration` [i, layer] and `concentration_chance` [layer].

    Returns:
        A running mean for each of the largest shares, and its chance level as a dotted line of the same colour.
    """
    shares = vectors["concentration"].values
    shown = ranks_shown(len(shares))
    window = max(1, len(shares) // 200)
    order = np.argsort(-shares.mean(axis=0))[:6]
    traces: list[dict[str, Any]] = []
    for number, layer in enumerate(order):
        name = plotly_text(str(vectors["layer"].values[layer]), 40)
        colour = style.CYCLE[number]
        mean = np.sqrt(_rms(np.sqrt(shares[:, layer]), window) ** 4)[shown]
        chance = float(vectors["concentration_chance"].values[layer])
        traces += [
            style.line(
                shown + 1.0,
                mean,
                name,
                colour,
                hovertemplate=f"{name}<br>rank %{{x}}: %{{y:.1%}}<extra></extra>",
            ),
            style.line(
                np.array([1.0, float(len(shares))]),
                np.full(2, chance),
                f"{name}: share of the weights",
                colour,
                dash="dot",
                width=1.2,
                showlegend=False,
                hovertemplate=f"{name}: chance {chance:.1%}<extra></extra>",
            ),
        ]
    return style.build(
        traces,
        title="Where the eigenvectors live",
        xaxis=style.axis("rank of the eigenvalue (1 the largest)", type="log", dtick=1),
        yaxis=style.axis("share of the eigenvector's squared norm", tickformat=".0%", range=[0, 1.02]),
    )


def vector_data(vectors: xr.Dataset, values: Any) -> pd.DataFrame:
    """Tabulate the numbers by eigenvector.

    Args:
        vectors: numbers over [i].
        values: [i] eigenvalues.

    Returns:
        A row per eigenvector.
    """
    columns = {str(name): data.values for name, data in vectors.data_vars.items() if data.dims == ("i",)}
    if "concentration" in vectors:
        for number, layer in enumerate(vectors["layer"].values):
            columns[f"in {layer}"] = vectors["concentration"].values[:, number]
    return pd.DataFrame({"rank": np.arange(1, len(values) + 1), "eigenvalue": values, **columns})
