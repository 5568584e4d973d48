"""Principal components over steps, and their shares beside those of a walk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import xarray as xr
from jaxtyping import Float64

from eigentrail._untrusted import plotly_text
from eigentrail.figures import style
from eigentrail.figures.evolution import log_menu, step_axis, thinned

#: Components drawn over steps; those of them whose cosine is drawn too.
SCORES, _COSINES = 5, 2
_POINTS = 240
# Without the colour of what chance gives.
_COLOURS = tuple(colour for colour in style.CYCLE if colour != style.NULL)


def scores_over_time(data: xr.Dataset, title: str) -> go.Figure:
    """Draw the scores of the leading components, and the cosines that a random walk has in their place.

    Args:
        data: the components of the weights or of the updates, as the analysis `pca` stores them.
        title: title of the figure.

    Returns:
        A curve per component, dotted cosines behind the first two.
    """
    rows = thinned(data.sizes["step"], _POINTS)
    steps = data["step"].values[rows].astype(np.float64)
    scores, share = data["scores"].values, data["share"].values
    traces = []
    for j in range(min(SCORES, scores.shape[1])):
        name = f"component {j + 1} ({share[j]:.1%})"
        hover = f"component {j + 1}: %{{y:.4g}} at step %{{x}}<extra></extra>"
        traces.append(
            style.line(
                steps,
                scores[rows, j],
                name,
                style.CYCLE[j],
                width=2.2 if j == 0 else 1.5,
                hovertemplate=hover,
            )
        )
    for j in range(min(_COSINES, scores.shape[1])):
        wave = _cosine(scores[:, j], j + 1)[rows]
        traces.append(
            style.line(
                steps,
                wave,
                "cosines of a random walk",
                style.CYCLE[j],
                width=1.2,
                dash="dot",
                hoverinfo="skip",
                legendgroup="cosines",
                showlegend=j == 0,
            )
        )
    return style.build(
        traces,
        title=title,
        xaxis=step_axis(),
        yaxis=style.axis("score (w − mean) · pⱼ"),
        updatemenus=log_menu(),
        height=400,
        margin={"b": 58},
    )


def _cosine(scores: Float64[np.ndarray, " t"], number: int) -> Float64[np.ndarray, " t"]:
    count = len(scores)
    wave = np.cos(np.pi * number * (np.arange(count) + 0.5) / count)
    size = np.sqrt(2.0) * float(scores.std())
    return np.asarray(wave * size * (1.0 if float(wave @ scores) >= 0.0 else -1.0))


def scores_data(data: xr.Dataset) -> pd.DataFrame:
    """Tabulate what `scores_over_time` draws.

    Args:
        data: as given there.

    Returns:
        `step`, and a column `component_1`, ... for each component drawn.
    """
    rows = thinned(data.sizes["step"], _POINTS)
    scores = data["scores"].values[rows]
    return pd.DataFrame(
        {
            "step": data["step"].values[rows],
            **{f"component_{j + 1}": scores[:, j] for j in range(min(SCORES, scores.shape[1]))},
        }
    )


def scree(
    layers: Sequence[tuple[str, xr.Dataset]], title: str, *, null: str = "random walk in high dimension"
) -> go.Figure:
    """Draw the share of each component, beside what chance gives.

    Args:
        layers: a label, and the components of the weights or of the updates, for each curve.
        title: title of the figure.
        null: what the dotted curve is; that of the first of the layers is drawn.

    Returns:
        A curve per layer on logarithmic axes; where there is one layer with walks of its own updates, their band.
    """
    traces: list[dict[str, Any]] = []
    if len(layers) == 1 and "flipped_share" in layers[0][1]:
        traces += _band(layers[0][1]["flipped_share"].values)
    for (label, data), (colour, dash) in zip(
        layers, style.series([label for label, _ in layers]), strict=True
    ):
        share = data["share"].values
        shown = plotly_text(label, 44)
        traces.append(
            style.line(
                np.arange(1, len(share) + 1),
                share,
                shown,
                _COLOURS[colour % len(_COLOURS)],
                dash=style.DASHES[dash],
                mode="lines+markers",
                marker={"size": 5},
                hovertemplate=f"{shown}<br>component %{{x}}: %{{y:.3%}}<extra></extra>",
            )
        )
    law = layers[0][1]["null_share"].values
    good = law > 0.0
    traces.append(
        style.line(
            np.arange(1, len(law) + 1)[good],
            law[good],
            null,
            style.NULL,
            dash="dot",
            hovertemplate="chance, component %{x}: %{y:.3%}<extra></extra>",
        )
    )
    return style.build(
        traces,
        title=title,
        xaxis=style.axis("component", type="log", tickvals=[1, 2, 3, 5, 10, 20], tickformat="d"),
        yaxis=style.axis("share of the variance", type="log"),
    )


def _band(shares: Float64[np.ndarray, "draw leading"]) -> list[dict[str, Any]]:
    low, high = np.quantile(shares, [0.025, 0.975], axis=0)
    x = np.arange(1, len(low) + 1)
    good = low > 0.0
    quiet = {"hoverinfo": "skip", "width": 0.5}
    return [
        style.line(x[good], low[good], "lower end", style.NULL, showlegend=False, **quiet),
        style.line(
            x[good],
            high[good],
            "95% of walks with its updates, random signs",
            style.NULL,
            fill="tonexty",
            fillcolor="rgba(128,128,128,0.16)",
            **quiet,
        ),
    ]


def scree_data(layers: Sequence[tuple[str, xr.Dataset]]) -> pd.DataFrame:
    """Tabulate what `scree` draws.

    Args:
        layers: as given there.

    Returns:
        `label`, `component`, `share` and `chance`.
    """
    parts = [
        pd.DataFrame(
            {
                "label": label,
                "component": np.arange(1, data.sizes["component"] + 1),
                "share": data["share"].values,
                "chance": data["null_share"].values,
            }
        )
        for label, data in layers
    ]
    return pd.concat(parts, ignore_index=True)
