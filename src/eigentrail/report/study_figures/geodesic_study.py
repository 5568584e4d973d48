"""Figures of the study of geodesics: scores of all seeds beside the walks, the choice of the start, kinks by rate."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import xarray as xr

from eigentrail.figures import style
from eigentrail.recipes.framework.measurement import Measurement
from eigentrail.report.sections import Plot

_RIGHT, _LEFT = style.DATA, style.OTHER
_BAND = "rgba(128,128,128,0.18)"


def plots(measured: Measurement) -> list[Plot]:
    """Draw what the study of geodesics measured.

    Args:
        measured: a row for each training, and for each rate `null_scores`, `null_from` and `score_from`.

    Returns:
        The figures.
    """
    table = measured.table
    found = [
        Plot(
            scores_by_rate(measured, dims),
            table,
            "A point for each seed; boxes: random walks of the weights with the steps of the first seed, what chance "
            "gives. A score means nothing without them.",
            f"scores-{dims}",
        )
        for dims in (1, 2)
    ]
    for name, data in measured.data.items():
        found.append(
            Plot(
                score_by_start(data, name),
                data["score_from"].sel(side="right", dims=2).to_dataframe("score").reset_index(),
                "Lines: seeds, with the path begun at a later step. Band: 5 to 95% of the walks, begun there too.",
                f"start-{name}",
            )
        )
    found.append(
        Plot(
            kinks_by_rate(table),
            table,
            "Change points that lower the squared residuals by more than their penalty, beside those of random walks "
            "with the same steps, and how often another followed direction gets the largest singular value, in the "
            "trainings and in the walks.",
            "kinks",
        )
    )
    return found


def scores_by_rate(measured: Measurement, dims: int) -> go.Figure:
    """Draw the score of each seed beside the walks.

    Args:
        measured: as in `plots`.
        dims: 1 for great circles, 2 for great 2-spheres.

    Returns:
        The figure.
    """
    traces: list[dict[str, Any]] = []
    for name, data in measured.data.items():
        rows = measured.table[measured.table["trial"] == name]
        for side, colour in (("right", _RIGHT), ("left", _LEFT)):
            label = f"{name.removeprefix('rate-')}, {side}"
            walks = data["null_scores"].sel(side=side, dims=dims).values
            traces.append(
                {
                    "type": "box",
                    "x": [label] * len(walks),
                    "y": walks,
                    "name": "walks (null)",
                    "line": {"color": style.NULL, "width": 1.2},
                    "boxpoints": False,
                    "showlegend": not traces,
                }
            )
            traces.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "x": [label] * len(rows),
                    "y": rows[f"{side}_{dims}_score"].to_numpy(dtype=np.float64),
                    "name": f"{side} vectors",
                    "marker": {"color": colour, "size": 8, "line": {"width": 0.5}},
                    "showlegend": len(traces) in {1, 3},
                    "customdata": rows["seed"].to_numpy(),
                    "hovertemplate": "seed %{customdata}: %{y:.4f}<extra></extra>",
                }
            )
    kind = "great circle" if dims == 1 else "great 2-sphere"
    return style.build(
        traces,
        title=f"Scores of the {kind} by rate and side",
        xaxis=style.axis("learning rate, side", type="category"),
        yaxis=style.axis("score"),
    )


def score_by_start(data: xr.Dataset, name: str) -> go.Figure:
    """Draw the score of the great 2-sphere against the step that the path begins with.

    Args:
        data: `score_from` and `null_from`.
        name: the trial.

    Returns:
        The figure.
    """
    of = {"side": "right", "dims": 2}
    x = data["start"].values.astype(np.float64)
    low, middle, high = (data["null_from"].sel(of).sel(quantile=q).values for q in (5.0, 50.0, 95.0))
    traces = [
        style.line(x, high, "95% of the walks", style.NULL, width=0, showlegend=False, hoverinfo="skip"),
        style.line(
            x,
            low,
            "walks (null), 5 to 95%",
            style.NULL,
            width=0,
            fill="tonexty",
            fillcolor=_BAND,
            hoverinfo="skip",
        ),
        style.line(x, middle, "median of the walks", style.NULL, dash="dash", width=1.4),
    ]
    for number, scores in enumerate(data["score_from"].sel(of).values):
        traces.append(
            style.line(x, scores, "seeds", style.DATA, width=1.3, showlegend=number == 0, mode="lines+markers",
                       marker={"size": 4})
        )  # fmt: skip
    return style.build(
        traces,
        title=f"Score by the chosen start, {name.replace('-', ' ')}",
        xaxis=style.axis("first step of the path"),
        yaxis=style.axis("score of the great 2-sphere"),
    )


def kinks_by_rate(table: pd.DataFrame) -> go.Figure:
    """Draw how many geodesics a path consists of, and how often the leading direction changes.

    Args:
        table: a row for each training.

    Returns:
        The figure.
    """
    rows = table[table["status"] != "diverged"]
    traces = []
    for column, label, colour in (
        ("segments", "geodesics in the path", style.DATA),
        ("leading_changes", "changes of the leading direction", style.SPIKE),
    ):
        traces.append(
            {
                "type": "box",
                "x": [f"{rate:g}" for rate in rows["lr"]],
                "y": rows[column].to_numpy(dtype=np.float64),
                "name": label,
                "marker": {"color": colour, "size": 5},
                "boxpoints": "all",
                "jitter": 0.5,
                "pointpos": 0,
            }
        )
    for column, label, dash in (
        ("segments_null", "geodesics in random walks (median)", "dash"),
        ("leading_null", "changes of the leading direction in random walks (mean)", "dot"),
    ):
        if column not in rows:
            continue
        walks = rows.groupby("lr")[column].median()
        traces.append(
            {
                "type": "scatter",
                "x": [f"{rate:g}" for rate in walks.index],
                "y": walks.to_numpy(dtype=np.float64),
                "name": label,
                "mode": "lines",
                "line": {"color": style.NULL, "dash": dash, "width": 1.4},
            }
        )
    return style.build(
        traces,
        title="Geodesics and crossings by rate",
        xaxis=style.axis("learning rate", type="category"),
        yaxis=style.axis("count", rangemode="tozero"),
        boxmode="group",
    )
