"""Figures of the studies of Hessians: a layer's leading eigenvectors against the whole network's, and level ratios."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go
import xarray as xr

from eigentrail._untrusted import plotly_text
from eigentrail.figures import style
from eigentrail.recipes.framework.measurement import Measurement
from eigentrail.report.sections import Plot


def plots(measured: Measurement) -> list[Plot]:
    """Draw what the study measured besides its analyses.

    Args:
        measured: with the data `meeting`.

    Returns:
        One heat map.
    """
    data = measured.data["meeting"]
    return [
        Plot(
            meeting_map(data),
            data["overlap"].to_dataframe("overlap").reset_index(),
            "Both bases by falling eigenvalue. Eigenvectors of the layer are filled up with zeros; an overlap of 1 "
            "would be the same direction. Random directions: "
            f"{float(data.attrs['overlap_chance']):.2g}.",
            "layer-and-network",
        )
    ]


def meeting_map(data: xr.Dataset) -> go.Figure:
    """Draw the overlaps of a layer's eigenvectors with those of the whole network (S1 figure 7.7).

    Args:
        data: from `layer_meeting`, with the attribute `layer`.

    Returns:
        A heat map from 0 to 1.
    """
    overlap = data["overlap"].transpose("j", "i").values
    name = plotly_text(str(data.attrs["layer"]), 40)
    trace = {
        "type": "heatmap",
        "x": list(range(1, overlap.shape[1] + 1)),
        "y": list(range(1, overlap.shape[0] + 1)),
        "z": overlap,
        "zmin": 0.0,
        "zmax": 1.0,
        "colorscale": [[0, "#f4f4f2"], [1, "#b5400f"]],
        "colorbar": {"title": {"text": "overlap", "side": "right"}, "thickness": 12},
        "hovertemplate": "layer %{x}, network %{y}: %{z:.3f}<extra></extra>",
    }
    return style.build(
        [trace],
        title=f"Eigenvectors of {name} and of the whole network",
        xaxis=style.axis("rank of the layer's eigenvalue", dtick=1),
        yaxis=style.axis("rank of the network's eigenvalue", dtick=1, autorange="reversed"),
    )


def spacing_plots(measured: Measurement) -> list[Plot]:
    """Draw the level ratios of several Hessians beside the laws.

    Args:
        measured: with a row per Hessian in its table.

    Returns:
        One figure.
    """
    return [
        Plot(
            ratios(measured.table),
            measured.table,
            "Bars: two standard errors. The null space is left out; only positive levels.",
            "spacing-ratios",
        )
    ]


def ratios(table: pd.DataFrame) -> go.Figure:
    """Draw mean spacing ratios with errors.

    Args:
        table: `hessian`, `samples`, `ratio_positive`, `ratio_error_positive`.

    Returns:
        A point per Hessian, and the two laws as lines.
    """
    names = [f"{row.hessian}, {row.samples}" for row in table.itertuples()]
    marks = {
        "type": "scatter",
        "mode": "markers",
        "x": table["ratio_positive"].to_list(),
        "y": names,
        "error_x": {
            "type": "data",
            "array": (2 * table["ratio_error_positive"]).to_list(),
            "color": style.DATA,
        },
        "marker": {"color": style.DATA, "size": 9},
        "name": "Hessians",
        "hovertemplate": "%{y}: %{x:.4f}<extra></extra>",
    }
    ends = [names[0], names[-1]]
    lines = [
        style.line([0.5307] * 2, ends, "random matrices (GOE), 0.531", style.NULL, dash="dot"),
        style.line([0.3863] * 2, ends, "independent levels, 0.386", style.OTHER, dash="dash"),
    ]
    return style.build(
        [marks, *lines],
        title="Are the levels those of a random matrix?",
        xaxis=style.axis("mean ratio of neighbouring spacings"),
        yaxis=style.axis("", type="category"),
    )
