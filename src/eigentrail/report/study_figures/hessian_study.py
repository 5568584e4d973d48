"""Figures of the studies of Hessians: a layer's leading eigenvectors against the whole network's, and level ratios."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import xarray as xr
from jaxtyping import Float64

from eigentrail._untrusted import plotly_text
from eigentrail.figures import style
from eigentrail.figures.levels import histogram_of_spacings
from eigentrail.recipes.framework.measurement import Measurement
from eigentrail.report.sections import Plot
from eigentrail.spectra import marchenko_pastur_law
from eigentrail.spectra.classical_laws import semicircle_cdf


def plots(measured: Measurement) -> list[Plot]:
    """Draw what the study measured besides its analyses.

    Args:
        measured: with the data `overlaps`.

    Returns:
        One heat map.
    """
    data = measured.data["overlaps"]
    return [
        Plot(
            layer_overlap_map(data),
            data["overlap"].to_dataframe("overlap").reset_index(),
            "Both bases by falling eigenvalue. Eigenvectors of the layer are filled up with zeros; an overlap of 1 "
            "would be the same direction. Random directions: "
            f"{float(data.attrs['overlap_chance']):.2g}.",
            "layer-and-network",
        )
    ]


def layer_overlap_map(data: xr.Dataset) -> go.Figure:
    """Draw the overlaps of a layer's eigenvectors with those of the whole network (S1 figure 7.7).

    Args:
        data: from `layer_overlaps`, with the attribute `layer`.

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
        measured: with a row per Hessian in its table, and the `levels-...` of the first seed.

    Returns:
        The ratios of all; density and spacings of each Hessian.
    """
    found = [
        Plot(
            ratios(measured.table),
            measured.table,
            "Bars: two standard errors. The null space is left out; only positive levels.",
            "spacing-ratios",
        )
    ]
    for place, row in enumerate(measured.table.to_dict(orient="records")):
        levels = measured.data.get(f"levels-{place}")
        if levels is None or row.get("semicircle_radius") is None or not levels.sizes.get("i"):
            continue
        what = f"{row['hessian']}, {row['samples']}"
        found.append(
            Plot(
                density_of_levels(levels["level"].values, row, what),
                levels[["level"]].to_dataframe(),
                "Share of the positive eigenvalues at or below each value, on a logarithmic axis, beside the nearest "
                "semicircle and Marchenko-Pastur law, all parameters of which are fitted.",
                f"density-{place}",
            )
        )
        if "spacing" in levels:
            drawn = histogram_of_spacings(
                levels["spacing"].values, row["p_wigner_positive"], row["p_poisson_positive"]
            )
            drawn.update_layout(title={"text": f"Level spacings: {what}"})
            found.append(
                Plot(
                    drawn,
                    levels[["spacing"]].to_dataframe(),
                    "Unfolded spacings of the positive levels, mean 1.",
                    f"spacings-{place}",
                )
            )
    return found


def density_of_levels(levels: Float64[np.ndarray, " n"], row: Mapping[Hashable, Any], what: str) -> go.Figure:
    """Draw the distribution of positive levels beside the two classical laws nearest to it.

    Args:
        levels: the levels.
        row: of the study's table, with the fitted parameters.
        what: which Hessian.

    Returns:
        Three curves.
    """
    x = np.sort(levels)
    at = np.geomspace(x[0], x[-1], 200)
    laws = {
        "semicircle": semicircle_cdf(at, row["semicircle_centre"], row["semicircle_radius"]),
        "Marchenko-Pastur": marchenko_pastur_law.cdf(
            at, row["marchenko_pastur_q"], row["marchenko_pastur_sigma"]
        ),
    }
    share = np.searchsorted(x, at, side="right") / len(x)
    traces = [style.line(at, share, f"{len(x)} eigenvalues", style.DATA, width=2)]
    for number, (name, y) in enumerate(laws.items()):
        distance = row[f"{name.lower().replace('-', '_')}_distance"]
        colour = (style.NULL, style.OTHER)[number]
        traces.append(style.line(at, y, f"{name}, distance {distance:.2f}", colour, dash="dash"))
    return style.build(
        traces,
        title=f"Eigenvalues and classical laws: {plotly_text(what, 70)}",
        xaxis=style.axis("eigenvalue of the Hessian", type="log"),
        yaxis=style.axis("share at or below", range=[0, 1.02]),
    )


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
