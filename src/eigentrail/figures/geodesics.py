"""Scores of geodesics beside those of random walks: at one start, at later starts, over layers and runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import xarray as xr

from eigentrail._untrusted import plotly_text
from eigentrail.chance import percentile_text
from eigentrail.figures import style
from eigentrail.figures.evolution import step_axis

_KINDS = {1: ("great circle", style.DATA), 2: ("great 2-sphere", style.FIT)}
_BINS = 50


def null_histogram(path: xr.Dataset, title: str) -> go.Figure:
    """Draw the scores of the random walks and the observed ones.

    Args:
        path: of one side, as `singular_path` gives it.
        title: title of the figure.

    Returns:
        An outline for each kind of circle and a line for its observed score.
    """
    traces, said = [], []
    edges = np.linspace(0.0, 1.0, _BINS + 1)
    for dims, (name, colour) in _KINDS.items():
        null = path["null_scores"].sel(dims=dims).values
        null = null[np.isfinite(null)]
        if not len(null):
            continue
        bins = edges[edges > null.min() - 2.0 / _BINS]
        heights, _ = style.histogram(null, bins)
        x, y = style.steps(bins, heights)
        traces.append(
            style.line(
                x,
                y,
                f"walks: {name}",
                style.NULL,
                dash="solid" if dims == 1 else "dot",
                width=1.8,
                hoverinfo="skip",
            )
        )
        score = float(path["score"].sel(dims=dims))
        top = float(heights.max()) * 1.04
        traces.append(
            style.vertical(score, f"observed: {name}", colour, top, dash="solid" if dims == 1 else "dot")
        )
        percentile = float(path["percentile"].sel(dims=dims))
        said.append(f"{name}: percentile {percentile_text(percentile, path.sizes.get('draw', 0))}")
    if not traces:
        return style.empty(title, "No random walks were drawn.")
    return style.build(
        traces,
        title=title,
        xaxis=style.axis("score (1: exactly on it)"),
        yaxis=style.axis("density of the walks' scores", rangemode="tozero"),
        annotations=[style.note("; ".join(said), x=0.02, xanchor="left")],
    )


def null_data(path: xr.Dataset) -> pd.DataFrame:
    """Tabulate what `null_histogram` draws.

    Args:
        path: of one side.

    Returns:
        A row per walk with its scores, the observed ones last.
    """
    columns = {
        name.replace(" ", "_"): np.append(
            path["null_scores"].sel(dims=dims).values, float(path["score"].sel(dims=dims))
        )
        for dims, (name, _) in _KINDS.items()
    }
    return pd.DataFrame({"of": [*["walk"] * path.sizes.get("draw", 0), "observed"], **columns})


def score_by_start(path: xr.Dataset, title: str) -> go.Figure:
    """Draw what the choice of the first step does to the score.

    Args:
        path: of one side.
        title: title of the figure.

    Returns:
        The observed scores, and the band between 5 and 95% of the walks for great circles.
    """
    starts = path["start"].values.astype(np.float64)
    traces = []
    band = path["null_from"].sel(dims=1).values
    if np.isfinite(band).all() and len(starts):
        x = np.concatenate([starts, starts[::-1]])
        y = np.concatenate([band[:, 0], band[::-1, -1]])
        traces.append(
            style.line(
                x,
                y,
                "90% of walks: great circle",
                style.NULL,
                width=0,
                fill="toself",
                fillcolor="rgba(128,128,128,0.16)",
                hoverinfo="skip",
            )
        )
        traces.append(
            style.line(
                starts, band[:, 1], "median of walks: great circle", style.NULL, dash="dot", hoverinfo="skip"
            )
        )
    for dims, (name, colour) in _KINDS.items():
        scores = path["score_from"].sel(dims=dims).values
        if not np.isfinite(scores).any():
            continue
        percentiles = [
            percentile_text(float(one), path.sizes.get("draw", 0))
            for one in path["percentile_from"].sel(dims=dims).values
        ]
        hover = f"{name} from step %{{x}} on: %{{y:.3f}}, percentile %{{customdata}}<extra></extra>"
        traces.append(
            style.line(
                starts,
                scores,
                f"observed: {name}",
                colour,
                mode="lines+markers",
                dash="solid" if dims == 1 else "dot",
                customdata=percentiles,
                hovertemplate=hover,
            )
        )
    return style.build(
        traces, title=title, xaxis=step_axis(), yaxis=style.axis("score from this step on", range=[0, 1.03])
    )


def start_data(path: xr.Dataset) -> pd.DataFrame:
    """Tabulate what `score_by_start` draws.

    Args:
        path: of one side.

    Returns:
        A row per start and kind of circle.
    """
    return pd.DataFrame(
        [
            {
                "start": start,
                "circle": name,
                "score": float(at["score_from"]),
                "percentile": float(at["percentile_from"]),
                **{
                    f"walks_{int(q)}": float(v)
                    for q, v in zip(path["quantile"].values, at["null_from"].values, strict=True)
                },
            }
            for dims, (name, _) in _KINDS.items()
            for start in path["start"].values
            for at in [path.sel(dims=dims, start=start)]
        ]
    )


def residuals(path: xr.Dataset, cut: xr.Dataset, title: str) -> go.Figure:
    """Draw how far the vector is from its circle at each step, and where new segments begin.

    Args:
        path: of one side.
        cut: its segments.
        title: title of the figure.

    Returns:
        Angles in degrees against steps.
    """
    steps = path["step"].values.astype(np.float64)
    traces, top = [], 1e-9
    for dims, (name, colour) in _KINDS.items():
        off = np.degrees(path["residuals"].sel(dims=dims).values)
        if np.isfinite(off).any():
            top = max(top, float(np.nanmax(off)))
            hover = f"{name}: %{{y:.3g}}° at step %{{x}}<extra></extra>"
            traces.append(style.line(steps, off, f"off the {name}", colour, width=1.8, hovertemplate=hover))
    if cut.sizes.get("segment", 0) > 1:
        changes = cut["start"].values[1:].astype(np.float64)
        spans = np.column_stack([cut["change_low"].values[1:], cut["change_high"].values[1:]])
        hover = "new segment at step %{x}, 95% between %{customdata[0]} and %{customdata[1]}<extra></extra>"
        error = {
            "type": "data",
            "symmetric": False,
            "array": spans[:, 1] - changes,
            "arrayminus": changes - spans[:, 0],
            "color": style.SPIKE,
            "thickness": 1.5,
            "width": 4,
        }
        traces.append(
            style.line(
                changes,
                np.zeros(len(changes)),
                "new segment, with 95% interval",
                style.SPIKE,
                mode="markers",
                marker={"color": style.SPIKE, "symbol": "triangle-up", "size": 9},
                error_x=error,
                customdata=spans,
                hovertemplate=hover,
            )
        )
    return style.build(
        traces,
        title=title,
        xaxis=step_axis(),
        yaxis=style.axis("angle off the fit (degrees)", range=[-0.04 * top, 1.08 * top]),
    )


def scores_by_layer(table: pd.DataFrame, title: str) -> go.Figure:
    """Draw the score of each layer, side and run beside what walks reach.

    Args:
        table: `score` and `null_median` of each path, with its `label`, `null_low` and `null_high` (5 and 95% of the
            walks).
        title: title of the figure.

    Returns:
        A line of walks and a point for each row.
    """
    labels = [plotly_text(str(label), 48) for label in table["label"]]
    middle = table["null_median"].to_numpy(dtype=np.float64)
    spread = {
        "type": "data",
        "symmetric": False,
        "array": table["null_high"].to_numpy(dtype=np.float64) - middle,
        "arrayminus": middle - table["null_low"].to_numpy(dtype=np.float64),
        "color": style.NULL,
        "thickness": 5,
        "width": 0,
    }
    more = table["score"].to_numpy(dtype=np.float64) > table["null_high"].to_numpy(dtype=np.float64)
    walks = style.line(
        middle,
        labels,
        "90% of walks, median",
        style.NULL,
        mode="markers",
        marker={"color": style.NULL, "symbol": "line-ns-open", "size": 10},
        error_x=spread,
        hovertemplate="%{y}: walks reach %{x:.3f}<extra></extra>",
    )
    seen = style.line(
        table["score"].to_numpy(dtype=np.float64),
        labels,
        "observed; filled: above 95% of walks",
        style.DATA,
        mode="markers",
        marker={
            "color": style.DATA,
            "size": 10,
            "symbol": ["circle" if one else "circle-open" for one in more],
            "line": {"width": 2, "color": style.DATA},
        },
        hovertemplate="%{y}: score %{x:.3f}<extra></extra>",
    )
    return style.build(
        [walks, seen],
        title=title,
        xaxis=style.axis("score of the great circle"),
        yaxis=style.axis("", type="category", autorange="reversed"),
        height=150 + 26 * len(labels),
    )


def with_bands(
    table: pd.DataFrame, bands: Sequence[tuple[float, float]], labels: Sequence[str]
) -> pd.DataFrame:
    """Add to a table of geodesics what `scores_by_layer` needs.

    Args:
        table: rows of `geodesic_table`.
        bands: 5 and 95% of the walks of each.
        labels: what each is called.

    Returns:
        The table with `label`, `null_low`, `null_high`.
    """
    low, high = [band[0] for band in bands], [band[1] for band in bands]
    return table.assign(label=list(labels), null_low=low, null_high=high)
