"""Singular values against time: the Marchenko-Pastur band, and spikes as individuals with what happens to them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import xarray as xr
from jaxtyping import Float64, Int64

from eigentrail.figures import style
from eigentrail.figures.evolution import log_menu, step_axis, thinned

_LINES = 64
_NAMED = 10
_SYMBOLS = {
    "birth": ("triangle-up", "births", style.OTHER),
    "death": ("triangle-down", "deaths", style.SPIKE),
    "crossing": ("x-thin", "crossings", style.MUTED),
}
# Spikes that show at fewer analysed steps are drawn in grey: the level lets one step in a hundred show a false one.
_BRIEF = 3


def singular_values(node: xr.DataTree, title: str = "Singular values against time") -> go.Figure:
    """Draw all singular values of a layer over steps, in front of the band where noise would put them.

    Args:
        node: a layer of an evolution.
        title: title of the figure.

    Returns:
        Traces: the band between the edges of the fitted law, the threshold, the singular values, the followed spikes,
        and their births, deaths and crossings.
    """
    every, diagnosis = node["every"].to_dataset(), node["diagnosis"].to_dataset()
    steps = every["step"].values
    if not np.isfinite(every["spectral_norm"].values).any():
        return style.empty(title, "The weights are not finite at any recorded step.")
    rows = thinned(len(steps), 220)
    traces = [*_band(diagnosis, int(node.attrs["rows"])), _all_values(every, rows)]
    traces += _followed(node["spikes"].to_dataset())
    traces += _marks(node)
    return style.build(
        traces,
        title=title,
        xaxis=step_axis(),
        yaxis=style.axis("singular value of W"),
        updatemenus=log_menu(),
        height=470,
        margin={"t": 64, "b": 58},
        legend={"traceorder": "normal"},
        hovermode="closest",
    )


def _band(diagnosis: xr.Dataset, rows: int) -> list[dict[str, Any]]:
    known = np.isfinite(diagnosis["mp_edge_high"].values)
    if not known.any():
        return []
    x = diagnosis["step"].values[known].astype(np.float64)
    low, high, threshold = (
        np.sqrt(rows * np.maximum(diagnosis[name].values[known], 0.0))
        for name in ("mp_edge_low", "mp_edge_high", "spike_threshold")
    )
    quiet = {"hoverinfo": "skip", "width": 1}
    fill = {"fill": "tonexty", "fillcolor": "rgba(128,128,128,0.16)"}
    return [
        style.line(x, low, "lower edge", style.NULL, showlegend=False, **quiet),
        style.line(x, high, "Marchenko-Pastur band (null)", style.NULL, **quiet, **fill),
        style.line(
            x,
            threshold,
            "threshold: 1% of noise matrices pass it",
            style.SPIKE,
            dash="dash",
            width=1.3,
            hovertemplate="threshold %{y:.4g} at step %{x}<extra></extra>",
        ),
    ]


def shown_values(count: int) -> Int64[np.ndarray, " n"]:
    """Choose which of many singular values are drawn: the largest ones, and evenly spaced others.

    Args:
        count: how many there are.

    Returns:
        Their numbers, 0 the largest.
    """
    if count <= _LINES:
        return np.arange(count)
    half = _LINES // 2
    return np.unique(
        np.concatenate([np.arange(half), np.round(np.linspace(half, count - 1, half))]).astype(np.int64)
    )


def _all_values(every: xr.Dataset, rows: Int64[np.ndarray, " n"]) -> dict[str, Any]:
    sigma = every["singular_values"].values[rows]
    lines = shown_values(sigma.shape[1])
    x = every["step"].values[rows].tolist()
    # One trace with gaps draws faster than many; lists are not thinned.
    xs: list[Any] = []
    ys: list[Any] = []
    which: list[Any] = []
    for line in lines.tolist():
        xs += [*x, None]
        ys += [*_rounded(sigma[:, line]), None]
        which += [line + 1] * (len(x) + 1)
    name = (
        "singular values"
        if len(lines) == sigma.shape[1]
        else f"{len(lines)} of {sigma.shape[1]} singular values"
    )
    return style.line(
        xs,
        ys,
        name,
        style.DATA,
        width=0.8,
        opacity=0.62,
        customdata=which,
        hovertemplate="singular value %{customdata}: %{y:.4g}<br>step %{x}<extra></extra>",
    )


def _followed(spikes: xr.Dataset) -> list[dict[str, Any]]:
    traces: list[dict[str, Any]] = []
    steps = spikes["step"].values.astype(np.float64)
    seen, values = spikes["seen"].values, spikes["value"].values
    long = np.flatnonzero(seen >= _BRIEF)
    # Those that last longest get a colour of their own.
    named = long[np.argsort(-seen[long], kind="stable")][:_NAMED]
    for number, track in enumerate(sorted(named.tolist())):
        traces.append(
            _track(
                steps,
                values[:, track],
                f"spike {track + 1}",
                style.CYCLE[number % len(style.CYCLE)],
                width=2.4,
            )
        )
    rest = [t for t in range(len(seen)) if t not in set(named.tolist())]
    if rest:
        x = [v for _ in rest for v in (*steps.tolist(), None)]
        y = [v for t in rest for v in (*_rounded(values[:, t]), None)]
        hover = "spike %{y:.4g} at step %{x}<extra></extra>"
        name = "1 other spike" if len(rest) == 1 else f"{len(rest)} other spikes"
        marks = {"mode": "lines+markers", "marker": {"size": 4, "color": style.MUTED}}
        traces.append(style.line(x, y, name, style.MUTED, width=1.2, hovertemplate=hover, **marks))
    return traces


def _track(
    steps: Float64[np.ndarray, " t"], values: Float64[np.ndarray, " t"], name: str, colour: str, width: float
) -> dict[str, Any]:
    hover = f"{name}: %{{y:.4g}} at step %{{x}}<extra></extra>"
    first, last = np.flatnonzero(np.isfinite(values))[[0, -1]]
    part = slice(first, last + 1)
    return style.line(
        steps[part].tolist(), _rounded(values[part]), name, colour, width=width, hovertemplate=hover
    )


def _marks(node: xr.DataTree) -> list[dict[str, Any]]:
    table = event_table(node)
    traces = []
    for kind, (symbol, name, colour) in _SYMBOLS.items():
        of = table[table["kind"] == kind]
        if not len(of):
            continue
        words = [
            f"spike {t + 1} goes above spike {o + 1}" if kind == "crossing" else f"{kind} of spike {t + 1}"
            for t, o in zip(of["track"], of["other"], strict=True)
        ]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": of["step"].tolist(),
                "y": _rounded(of["value"].to_numpy(float)),
                "customdata": words,
                "name": f"{name} ({len(of)})",
                "marker": {
                    "symbol": symbol,
                    "size": 9,
                    "color": colour,
                    "line": {"width": 1.6, "color": colour},
                },
                "hovertemplate": "%{customdata}<br>step %{x}<extra></extra>",
            }
        )
    return traces


def event_table(node: xr.DataTree) -> pd.DataFrame:
    """Tabulate births, deaths and crossings with the singular value at which they happen.

    Args:
        node: a layer of an evolution.

    Returns:
        `step`, `kind`, `track`, `other` and `value`: the spike's own at a birth or crossing, its last one at a death.
    """
    events = node["events"].to_dataset().to_dataframe().reset_index(drop=True)
    spikes = node["spikes"].to_dataset()
    values = spikes["value"].values
    place = np.searchsorted(spikes["step"].values, events["step"].to_numpy(np.int64))
    at = []
    for row, track in zip(place, events["track"].to_numpy(np.int64), strict=True):
        alive = values[: row + 1, track]
        at.append(float(alive[np.isfinite(alive)][-1]) if np.isfinite(alive).any() else np.nan)
    return events.assign(value=at)[["step", "kind", "track", "other", "value"]]


def values_table(node: xr.DataTree) -> pd.DataFrame:
    """Tabulate what `singular_values` draws: all singular values, at the steps drawn.

    Args:
        node: a layer of an evolution.

    Returns:
        `step`, `epoch`, and a column for each singular value drawn.
    """
    every = node["every"].to_dataset()
    rows = thinned(every.sizes["step"], 220)
    sigma = every["singular_values"].values[rows]
    table = pd.DataFrame({"step": every["step"].values[rows], "epoch": every["epoch"].values[rows]})
    columns = {f"sigma_{line + 1}": sigma[:, line] for line in shown_values(sigma.shape[1]).tolist()}
    return pd.concat([table, pd.DataFrame(columns)], axis=1)


def _rounded(values: Float64[np.ndarray, " n"]) -> list[float | None]:
    return [float(f"{v:.4g}") if np.isfinite(v) else None for v in values.tolist()]
