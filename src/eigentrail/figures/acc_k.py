"""Accuracy against the rank that a layer is cut to, and what shrinking it changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import xarray as xr

from eigentrail._untrusted import plotly_text
from eigentrail.figures import style

# Where rank 0 is drawn on the logarithmic axis.
_ZERO = 0.5
# Layers that stand side by side.
_PANELS = 4
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


def layer_data(nodes: Sequence[tuple[str, xr.DataTree]]) -> pd.DataFrame:
    """Sum up the runs: what all of them measured of each layer.

    Args:
        nodes: labelled layers of the analysis, of one run or of several.

    Returns:
        A row per layer, step and rank: `layer`, `step`, `k`, mean `accuracy` with the `low`est and the `high`est run,
        the number of `runs`, median `spikes` and `k_star`.
    """
    tables = pd.concat([accuracy_data(node).assign(layer=str(node.attrs["name"])) for _, node in nodes])
    found = tables.groupby(["layer", "step", "k"], sort=False).agg(
        accuracy=("accuracy", "mean"), low=("accuracy", "min"), high=("accuracy", "max"),
        runs=("accuracy", "size"),
    )  # fmt: skip
    # Ranks that are the number of spikes of one run were measured of that run alone.
    found = found[found["runs"] == found.groupby(["layer", "step"])["runs"].transform("max")]
    of_step = tables.groupby(["layer", "step"], sort=False)[["spikes", "k_star"]].median()
    return found.join(of_step).reset_index().sort_values(["layer", "step", "k"])


def layer_curves(nodes: Sequence[tuple[str, xr.DataTree]], title: str) -> go.Figure:
    """Draw the accuracy against the rank of each layer, a panel each and a curve for each step.

    Args:
        nodes: labelled layers of the analysis, of one run or of several.
        title: of the figure.

    Returns:
        Means over runs, bars from the lowest run to the highest, with a diamond at the median number of spikes and a
        circle at the median k*.
    """
    table = layer_data(nodes)
    layers = list(dict.fromkeys(str(node.attrs["name"]) for _, node in nodes))[:_PANELS]
    traces: list[dict[str, Any]] = []
    layout: dict[str, Any] = {"margin": {"b": 66}}
    told: set[str] = set()
    share = 1.0 / len(layers)
    for place, layer in enumerate(layers):
        at = str(place + 1) if place else ""
        part = table[table["layer"] == layer]
        for number, (step, curve) in enumerate(part.groupby("step")):
            colour = style.CYCLE[number % len(style.CYCLE)]
            for trace in _step_curve(curve, f"step {step}", colour):
                name = trace["name"]
                shown = {"legendgroup": name, "showlegend": name not in told}
                traces.append(trace | shown | {"xaxis": f"x{at}", "yaxis": f"y{at}"})
                told.add(name)
        layout[f"xaxis{at}"] = _rank_axis(int(part["k"].max())) | {
            "domain": [place * share + 0.02 * bool(place), (place + 1) * share - 0.02 * (at != str(len(layers)))],
            "anchor": f"y{at}",
            # Below its axis: above it the page has the legend.
            "title": {"text": f"rank k<br><b>{plotly_text(layer)}</b>"},
        }  # fmt: skip
        layout[f"yaxis{at}"] = style.axis("accuracy", tickformat=".0%", rangemode="tozero", anchor=f"x{at}")
        if place:
            layout[f"yaxis{at}"] |= {"matches": "y", "showticklabels": False, "title": {"text": ""}}
    first = {name: layout.pop(name) for name in ("xaxis", "yaxis")}
    return style.build(traces, title=plotly_text(title), **first, **layout)


def _step_curve(curve: pd.DataFrame, name: str, colour: str) -> Iterator[dict[str, Any]]:
    k, accuracy = curve["k"].to_numpy(), curve["accuracy"].to_numpy()
    bars = {
        "type": "data", "symmetric": False, "array": (curve["high"] - accuracy).tolist(),
        "arrayminus": (accuracy - curve["low"]).tolist(), "thickness": 1.2, "width": 3, "color": colour,
    }  # fmt: skip
    yield style.line(
        _shown(k), accuracy, name, colour, mode="lines+markers", marker={"size": 4}, customdata=k,
        hovertemplate=f"{name}: rank %{{customdata}}, %{{y:.1%}}<extra></extra>",
    ) | ({"error_y": bars} if int(curve["runs"].max()) > 1 else {})  # fmt: skip
    for what, symbol, words in (("spikes", "diamond", "number of spikes"), ("k_star", "circle-open", "k*")):
        at = float(curve[what].iloc[0])
        if np.isfinite(at):
            yield style.line(
                _shown(np.array([at])), [float(np.interp(at, k, accuracy))], words, colour, mode="markers",
                marker={"size": 11, "symbol": symbol, "color": colour, "line": {"width": 2}},
                hovertemplate=f"{name}: {words} {at:g}<extra></extra>",
            )  # fmt: skip


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
