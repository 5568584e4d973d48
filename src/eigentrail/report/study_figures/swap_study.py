"""Figures of the study of swapped classes: how fast the leading vector turns, and how far it leaves its geodesic."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from eigentrail.figures import style
from eigentrail.recipes.framework.measurement import Measurement
from eigentrail.report.sections import Plot


def plots(measured: Measurement) -> list[Plot]:
    """Draw what the study of swapped classes measured.

    Args:
        measured: a row for each training, and `turn` and `residual` over steps of each.

    Returns:
        The figures.
    """
    data = pd.concat(
        [one.to_dataframe().reset_index().assign(training=name) for name, one in measured.data.items()],
        ignore_index=True,
    )
    return [
        Plot(
            over_epochs(measured, "turn", "How fast the leading right vector turns", "angle per epoch (rad)"),
            data,
            "A line for each seed; grey: the same seeds without a swap. Dotted: the swap.",
            "turning",
            wide=True,
        ),
        Plot(
            over_epochs(
                measured,
                "residual",
                "How far the leading right vector is from its great 2-sphere",
                "angle to the great 2-sphere (rad)",
            ),
            data,
            "One great 2-sphere is fitted to the whole path; grey: without a swap.",
            "residuals",
            wide=True,
        ),
    ]


def over_epochs(measured: Measurement, what: str, title: str, unit: str) -> go.Figure:
    """Draw a number over epochs for trainings with the swap and without.

    Args:
        measured: as in `plots`.
        what: "turn" or "residual".
        title: of the figure.
        unit: of the vertical axis.

    Returns:
        The figure.
    """
    traces: list[dict[str, Any]] = []
    seen: set[str] = set()
    for name, one in measured.data.items():
        kind = name.rpartition("-")[0]
        swapped = kind == "swap"
        traces.append(
            style.line(
                one["epoch"].values,
                one[what].values,
                "with the swap" if swapped else "without a swap (control)",
                style.DATA if swapped else style.NULL,
                width=1.5,
                showlegend=kind not in seen,
                hovertemplate=f"{name}: %{{y:.3g}}<br>epoch %{{x:.3g}}<extra></extra>",
            )
        )
        seen.add(kind)
    swap = float(np.median(measured.table["swap_epoch"]))
    line = {"color": style.MUTED, "dash": "dot", "width": 1.2}
    return style.build(
        traces,
        title=title,
        xaxis=style.axis("epoch"),
        yaxis=style.axis(unit, rangemode="tozero"),
        shapes=[
            {
                "type": "line",
                "xref": "x",
                "yref": "paper",
                "x0": swap,
                "x1": swap,
                "y0": 0,
                "y1": 1,
                "line": line,
            }
        ],
    )
