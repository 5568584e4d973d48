"""Accuracy against the rank that a layer is cut to, and what shrinking it changes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import xarray as xr

from eigentrail._untrusted import plotly_text
from eigentrail.figures import style

# Where rank 0 is drawn on the logarithmic axis.
_ZERO = 0.5
_WAYS = {
    "mean": ("James-Stein, grand mean", 0, "solid"),
    "geodesic": ("James-Stein, geodesic", 1, "solid"),
    "initial": ("James-Stein, initial direction", 2, "dot"),
    "random": ("James-Stein, random direction", 3, "dot"),
    "later": ("James-Stein, later direction (oracle)", 4, "dash"),
    "denoised": ("denoised", 5, "solid"),
}


def accuracy_curves(node: xr.DataTree, title: str) -> go.Figure:
    """Draw the accuracy against the rank, a curve for each step.

    Args:
        node: a layer of the analysis `acc-k`.
        title: of the figure.

    Returns:
        For each step a curve, with a diamond at its number of spikes and a circle at k*.
    """
    cut = node["cut"].to_dataset()
    traces: list[dict[str, Any]] = []
    count = cut.sizes["step"]
    for place, step in enumerate(cut["step"].values.tolist()):
        one = cut.sel(step=step)
        known = np.isfinite(one["accuracy"].values)
        k, accuracy = one["k"].values[known], one["accuracy"].values[known]
        colour = style.CYCLE[place % len(style.CYCLE)]
        traces.append(
            style.line(_shown(k), accuracy, f"step {step}", colour, mode="lines+markers", marker={"size": 4},
                       customdata=k, hovertemplate=f"step {step}: rank %{{customdata}}, %{{y:.1%}}<extra></extra>")
        )  # fmt: skip
        for what, symbol, words in (
            ("spikes", "diamond", "number of spikes"),
            ("k_star", "circle-open", "k*"),
        ):
            if not np.isfinite(float(one[what])):
                continue
            at = int(one[what])
            traces.append(
                style.line(_shown(np.array([at])), [float(np.interp(at, k, accuracy))], words, colour, mode="markers",
                           marker={"size": 11, "symbol": symbol, "color": colour, "line": {"width": 2}},
                           showlegend=place == count - 1,
                           hovertemplate=f"step {step}: {words} {at}<extra></extra>")
            )  # fmt: skip
    return style.build(
        traces,
        title=plotly_text(title),
        xaxis=_rank_axis(int(cut["k"].values[-1])),
        yaxis=style.axis("accuracy", tickformat=".0%", rangemode="tozero"),
    )


def accuracy_data(node: xr.DataTree) -> pd.DataFrame:
    """Tabulate what `accuracy_curves` draws.

    Args:
        node: a layer of the analysis.

    Returns:
        `step`, `k`, `accuracy`, `full`, `spikes`, `k_star`.
    """
    return node["cut"].to_dataset().to_dataframe().reset_index().dropna(subset=["accuracy"])


def gain_curves(node: xr.DataTree, title: str) -> go.Figure:
    """Draw what each way of shrinking adds to the accuracy of the cut.

    Args:
        node: a layer of the analysis `acc-k`.
        title: of the figure.

    Returns:
        A curve for each way, around zero.
    """
    found = node["shrunk"].to_dataset()
    most = int(found["k"].values[-1])
    traces = [style.line([_ZERO, most], [0.0, 0.0], "plain cut", style.NULL, dash="dash")]
    for way in found["way"].values.tolist():
        gain = found["gain"].sel(way=way).values
        known = np.isfinite(gain)
        label, number, dash = _WAYS[way]
        traces.append(
            style.line(_shown(found["k"].values[known]), gain[known], label, style.CYCLE[number % len(style.CYCLE)],
                       dash=dash, mode="lines+markers", marker={"size": 4},
                       customdata=found["p"].sel(way=way).values[known],
                       hovertemplate=f"{label}: %{{y:+.2%}} at rank %{{x}}, p = %{{customdata:.2g}}<extra></extra>")
        )  # fmt: skip
    return style.build(
        traces,
        title=plotly_text(title),
        xaxis=_rank_axis(most),
        yaxis=style.axis("accuracy minus that of the cut", tickformat="+.1%"),
    )


def gain_data(node: xr.DataTree) -> pd.DataFrame:
    """Tabulate what `gain_curves` draws.

    Args:
        node: a layer of the analysis.

    Returns:
        `way`, `k`, `accuracy`, `gain`, `p`.
    """
    return node["shrunk"].to_dataset().to_dataframe().reset_index().dropna(subset=["gain"])


def _shown(k: Any) -> Any:
    return np.where(np.asarray(k) > 0, k, _ZERO)


def _rank_axis(most: int) -> dict[str, Any]:
    ticks = [10**i for i in range(int(np.log10(max(most, 1))) + 1)]
    return style.axis(
        "rank k", type="log", tickvals=[_ZERO, *ticks], ticktext=["0", *map(str, ticks)],
        range=[float(np.log10(0.43)), float(np.log10(1.15 * most))],
    )  # fmt: skip
