"""The whole network at one look: a quantity against depth, and by kind of layer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from jaxtyping import Float64

from eigentrail._cells import is_absent
from eigentrail._untrusted import plotly_text
from eigentrail.figures import style

SYMBOLS = (
    "circle",
    "square",
    "diamond",
    "triangle-up",
    "cross",
    "x",
    "pentagon",
    "star",
    "hexagon",
    "triangle-down",
)
# Names that an axis has room for; the others are told where the pointer is.
_MOST_NAMES = 12


def numbers(table: pd.DataFrame, column: str) -> Float64[np.ndarray, " n"]:
    """Read a column as numbers.

    Args:
        table: a row per matrix.
        column: its name; a column that the table lacks counts as missing throughout.

    Returns:
        One number per row, NaN where it is missing.
    """
    if column not in table:
        return np.full(len(table), np.nan)
    return np.asarray(pd.to_numeric(table[column], errors="coerce"), dtype=np.float64)


def labels(table: pd.DataFrame, column: str) -> list[str]:
    """Read a column as texts.

    Args:
        table: a row per matrix.
        column: its name.

    Returns:
        One text per row; "unknown" where it is missing.
    """
    if column not in table:
        return ["unknown"] * len(table)
    return ["unknown" if is_absent(v) else str(v) for v in table[column]]


def depth_points(table: pd.DataFrame, y: Float64[np.ndarray, " n"], what: str) -> list[dict[str, Any]]:
    """Describe one point per matrix, coloured by kind, that says its name when pointed at.

    Args:
        table: a row per matrix; `name` and `kind` are read.
        y: ordinate per row; NaN rows are left out.
        what: what the ordinate is, for the hover text.

    Returns:
        A trace per kind. `customdata` holds the row number (which the page opens on a click) and the name.
    """
    kinds, names = labels(table, "kind"), labels(table, "name")
    position = np.arange(1, len(table) + 1)
    traces = []
    for number, kind in enumerate(dict.fromkeys(kinds)):
        rows = [i for i, k in enumerate(kinds) if k == kind and np.isfinite(y[i])]
        if not rows:
            continue
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": position[rows],
                "y": y[rows],
                "customdata": [[i, plotly_text(names[i])] for i in rows],
                "name": plotly_text(kind, 40),
                "marker": {
                    "color": style.CYCLE[number % len(style.CYCLE)],
                    "symbol": SYMBOLS[number % len(SYMBOLS)],
                    "size": 8 if len(table) <= 120 else 5,
                },
                "hovertemplate": f"%{{customdata[1]}}<br>{what} %{{y:.4g}}<extra></extra>",
            }
        )
    return traces


def _named_ticks(names: list[str]) -> dict[str, Any]:
    """Name the places of the network along an axis, without what all names share."""
    bare = [name.removesuffix(".weight") for name in names]
    first, last = (
        min(bare, default=""),
        max(bare, default=""),
    )  # what the ends of the alphabet share, all share
    same = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), 0)
    cut = max(first.rfind(".", 0, same), first.rfind("/", 0, same)) + 1
    places = range(0, len(bare), max(1, math.ceil(len(bare) / _MOST_NAMES)))
    return {
        "tickvals": [place + 1 for place in places],
        "ticktext": [plotly_text(bare[place][cut:], 24) for place in places],
        "automargin": True,
    }


def _depth_figure(
    table: pd.DataFrame, traces: list[dict[str, Any]], title: str, yaxis: dict[str, Any], **layout: Any
) -> go.Figure:
    xaxis = style.axis("", range=[0, len(table) + 1], **_named_ticks(labels(table, "name")))
    return style.build(traces, title=title, xaxis=xaxis, yaxis=yaxis, meta={"opens": "layer"}, **layout)


def alpha_by_depth(table: pd.DataFrame) -> go.Figure:
    """Draw the tail exponent of each matrix, with the range that convention calls well trained.

    Args:
        table: a row per matrix, in the order of the network.

    Returns:
        A trace per kind and a band from 2 to 6.
    """
    alpha = numbers(table, "alpha")
    traces = depth_points(table, alpha, "α")
    error = numbers(table, "alpha_error")
    for trace in traces:
        rows = [c[0] for c in trace["customdata"]]
        shown = np.where(np.isfinite(error[rows]), error[rows], 0.0)
        trace["error_y"] = {"type": "data", "array": shown, "thickness": 1, "width": 0, "color": style.MUTED}
    band = {
        "type": "rect",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "y0": 2,
        "y1": 6,
        "line": {"width": 0},
        "layer": "below",
    }
    finite = alpha[np.isfinite(alpha)]
    top = max(7.0, float(np.quantile(finite, 0.98)) * 1.15) if finite.size else 7.0
    above = int((finite > top).sum())
    return _depth_figure(
        table,
        traces,
        "Tail exponent α",
        style.axis("α (density of eigenvalues)", range=[0.8, top]),
        shapes=[{**band, "fillcolor": style.OTHER, "opacity": 0.1}],
        annotations=[style.note(f"{above} above the axis", yanchor="top")] if above else [],
    )


def spikes_by_depth(table: pd.DataFrame) -> go.Figure:
    """Draw the number of spikes of each matrix beside that of its shuffled copy.

    Args:
        table: a row per matrix, in the order of the network.

    Returns:
        A trace per kind, and "entries shuffled (null)".
    """
    spikes, null = numbers(table, "spikes"), numbers(table, "null_spikes")
    traces = depth_points(table, spikes, "spikes")
    known = np.isfinite(null)
    if known.any():
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": np.arange(1, len(table) + 1)[known],
                "y": null[known],
                "customdata": [[int(i), ""] for i in np.flatnonzero(known)],
                "name": "entries shuffled (null)",
                "marker": {"symbol": "line-ew-open", "size": 9, "color": style.NULL},
                "hovertemplate": "after shuffling: %{y}<extra></extra>",
            }
        )
    most, largest = (float(np.nanmax(v, initial=0.0)) for v in (spikes, null))
    top = 1.12 * max(4.0, most, min(largest, 1.5 * most))
    above = int((null > top).sum())
    notes = [style.note(f"{above} shuffled above the axis, up to {largest:.0f}")] if above else []
    yaxis = style.axis("spikes", range=[-0.04 * top, top])
    return _depth_figure(table, traces, "Spikes above the noise edge", yaxis, annotations=notes)


def chance_ranks(table: pd.DataFrame) -> pd.DataFrame:
    """Give the ranks of a random matrix of each shape, relative to the full rank.

    Args:
        table: `q` = cols / rows is read.

    Returns:
        Columns `stable` = 1 / (1 + sqrt q)^2 (Marchenko-Pastur edge) and `effective` = exp(-q / 2) (the mean entropy of
        a Wishart matrix, Page 1993).
    """
    q = numbers(table, "q")
    return pd.DataFrame({"stable": 1 / (1 + np.sqrt(q)) ** 2, "effective": np.exp(-q / 2)})


def ranks_data(table: pd.DataFrame) -> pd.DataFrame:
    """Tabulate what `ranks_by_depth` draws.

    Args:
        table: a row per matrix.

    Returns:
        `name`, `stable`, `effective`, `numerical` as shares of the full rank, and the chance values of the first two.
    """
    full = numbers(table, "cols") * np.where(
        np.isfinite(numbers(table, "matrices")), numbers(table, "matrices"), 1
    )
    chance = chance_ranks(table)
    return pd.DataFrame(
        {
            "name": labels(table, "name"),
            "stable": numbers(table, "stable_rank") / full,
            "effective": numbers(table, "effective_rank") / full,
            "numerical": numbers(table, "numerical_rank") / full,
            "stable_chance": chance["stable"],
            "effective_chance": chance["effective"],
        }
    )


def ranks_by_depth(table: pd.DataFrame) -> go.Figure:
    """Draw stable, effective and numerical rank of each matrix as a share of its full rank, with chance.

    Args:
        table: a row per matrix, in the order of the network.

    Returns:
        Three traces of points, and two of what a random matrix of each shape has.
    """
    data = ranks_data(table)
    x = np.arange(1, len(table) + 1)
    names = [[i, plotly_text(n)] for i, n in enumerate(data["name"])]
    traces: list[dict[str, Any]] = []
    looks = (
        ("numerical", style.MUTED, "triangle-up"),
        ("effective", style.DATA, "circle"),
        ("stable", style.SPIKE, "square"),
    )
    for column, colour, symbol in looks:
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": x,
                "y": data[column].to_numpy(),
                "customdata": names,
                "name": f"{column} rank",
                "marker": {"color": colour, "symbol": symbol, "size": 7 if len(table) <= 120 else 4},
                "hovertemplate": f"%{{customdata[1]}}<br>{column} rank: %{{y:.3f}} of full<extra></extra>",
            }
        )
    for column in ("effective", "stable"):
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": x,
                "y": data[f"{column}_chance"].to_numpy(),
                "customdata": names,
                "name": f"{column}: random matrix (null)",
                "marker": {
                    "symbol": "line-ew-open",
                    "size": 9 if len(table) <= 120 else 4,
                    "color": style.NULL,
                },
                "hovertemplate": f"%{{customdata[1]}}<br>{column} rank by chance: %{{y:.3f}} of full<extra></extra>",
            }
        )
    return _depth_figure(table, traces, "Ranks", style.axis("share of the full rank", range=[0, 1.05]))


def phases_by_depth(table: pd.DataFrame) -> go.Figure:
    """Draw the phase of each matrix.

    Args:
        table: a row per matrix, in the order of the network.

    Returns:
        A trace per phase that occurs.
    """
    phases, names = labels(table, "phase"), labels(table, "name")
    order = [p for p in (*PHASE_ORDER, *sorted(set(phases) - set(PHASE_ORDER))) if p in phases]
    traces = []
    for phase in order:
        rows = [i for i, p in enumerate(phases) if p == phase]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": [i + 1 for i in rows],
                "y": [plotly_text(phase, 40)] * len(rows),
                "customdata": [[i, plotly_text(names[i])] for i in rows],
                "name": plotly_text(phase, 40),
                "showlegend": False,
                "marker": {
                    "symbol": "line-ns-open" if len(phases) > 120 else "square",
                    "size": 14 if len(phases) > 120 else 10,
                    "color": style.PHASE_COLOURS.get(phase, style.MUTED),
                },
                "hovertemplate": "%{customdata[1]}<br>%{y}<extra></extra>",
            }
        )
    rows_shown = [plotly_text(p, 40) for p in order]
    yaxis = style.axis("", type="category", categoryorder="array", categoryarray=rows_shown)
    return _depth_figure(table, traces, "Phase of self-regularisation", yaxis)


PHASE_ORDER = tuple(style.PHASE_COLOURS)


def alpha_by_kind(table: pd.DataFrame) -> go.Figure:
    """Draw the spread of the tail exponent within each kind of layer.

    Args:
        table: a row per matrix.

    Returns:
        A box with its points per kind.
    """
    alpha, kinds, names = numbers(table, "alpha"), labels(table, "kind"), labels(table, "name")
    traces = []
    for number, kind in enumerate(dict.fromkeys(kinds)):
        rows = [i for i, k in enumerate(kinds) if k == kind and np.isfinite(alpha[i])]
        if not rows:
            continue
        traces.append(
            {
                "type": "box",
                "x": alpha[rows],
                "y": [plotly_text(kind, 30)] * len(rows),
                "orientation": "h",
                "boxpoints": "all",
                "jitter": 0.5,
                "pointpos": 0,
                "customdata": [[i, plotly_text(names[i])] for i in rows],
                "name": plotly_text(kind, 30),
                "showlegend": False,
                "marker": {"size": 5, "opacity": 0.65},
                "line": {"color": style.CYCLE[number % len(style.CYCLE)], "width": 1.5},
                "hovertemplate": "%{customdata[1]}<br>α %{x:.3g}<extra></extra>",
                "hoveron": "points",
            }
        )
    band = {
        "type": "rect",
        "yref": "paper",
        "y0": 0,
        "y1": 1,
        "x0": 2,
        "x1": 6,
        "line": {"width": 0},
        "layer": "below",
    }
    return style.build(
        traces,
        title="Tail exponent by kind of layer",
        xaxis=style.axis("α (density of eigenvalues)"),
        yaxis=style.axis("", type="category", autorange="reversed"),
        meta={"opens": "layer"},
        shapes=[{**band, "fillcolor": style.OTHER, "opacity": 0.1}],
    )


def phases_by_kind(table: pd.DataFrame) -> go.Figure:
    """Draw how many matrices of each kind are in each phase.

    Args:
        table: a row per matrix.

    Returns:
        Stacked bars, a trace per phase.
    """
    counts = phase_counts(table)
    kinds = [plotly_text(k, 30) for k in counts["kind"]]
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "y": kinds,
            "x": counts[phase].to_numpy(),
            "name": plotly_text(phase, 40),
            "marker": {"color": style.PHASE_COLOURS.get(phase, style.MUTED)},
            "hovertemplate": "%{y}: %{x} matrices " + plotly_text(phase, 40) + "<extra></extra>",
        }
        for phase in counts.columns[1:]
    ]
    return style.build(
        traces,
        title="Phases by kind of layer",
        xaxis=style.axis("matrices"),
        yaxis=style.axis("", type="category", autorange="reversed"),
        barmode="stack",
    )


def phase_counts(table: pd.DataFrame) -> pd.DataFrame:
    """Tabulate what `phases_by_kind` draws.

    Args:
        table: a row per matrix; `kind` and `phase` are read.

    Returns:
        A row per kind in order of appearance: `kind`, then a column per phase that occurs.
    """
    kinds, phases = labels(table, "kind"), labels(table, "phase")
    found = [p for p in (*PHASE_ORDER, *sorted(set(phases) - set(PHASE_ORDER))) if p in phases]
    rows = []
    for kind in dict.fromkeys(kinds):
        mine = [p for k, p in zip(kinds, phases, strict=True) if k == kind]
        rows.append([kind, *(mine.count(p) for p in found)])
    return pd.DataFrame(rows, columns=["kind", *found])


def depth_data(table: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """Tabulate what a figure by depth draws.

    Args:
        table: a row per matrix.
        *columns: the columns that the figure shows.

    Returns:
        `position`, `name`, `kind` and those of the columns that the table has.
    """
    kept = [c for c in ("name", "kind", *columns) if c in table]
    return table[kept].assign(position=np.arange(1, len(table) + 1))[["position", *kept]]
