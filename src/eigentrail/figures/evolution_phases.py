"""The phase of each layer over steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import xarray as xr

from eigentrail._untrusted import plotly_text
from eigentrail.figures import style
from eigentrail.figures.evolution import step_axis
from eigentrail.figures.overview import PHASE_ORDER


def phase_stretches(node: xr.DataTree) -> pd.DataFrame:
    """Join neighbouring analysed steps of one phase.

    Args:
        node: a layer of an evolution.

    Returns:
        `phase`, `first_step`, `until_step` (the first step of the next stretch, the last step for the last one) and
        `points`, the number of analysed steps in it; an empty phase where it could not be told.
    """
    diagnosis = node["diagnosis"].to_dataset()
    steps, phases = diagnosis["step"].values, diagnosis["phase"].values.astype(str)
    starts = np.flatnonzero(np.append(True, phases[1:] != phases[:-1])) if len(steps) else np.zeros(0, int)
    ends = np.append(starts[1:], len(steps))
    until = [int(steps[min(end, len(steps) - 1)]) for end in ends]
    return pd.DataFrame(
        {
            "phase": phases[starts],
            "first_step": steps[starts],
            "until_step": until,
            "points": ends - starts,
        }
    )


def phase_timeline(layers: Sequence[tuple[str, xr.DataTree]], title: str = "Phases over time") -> go.Figure:
    """Draw the phase of each layer as a coloured bar over steps.

    Args:
        layers: label and node of each layer, the first one on top.
        title: title of the figure.

    Returns:
        A trace per phase.
    """
    labels = [plotly_text(label, 44) for label, _ in layers]
    pieces: dict[str, dict[str, list[Any]]] = {}
    for label, (_, node) in zip(labels, layers, strict=True):
        for row in phase_stretches(node).itertuples():
            if not row.phase:
                continue
            piece = pieces.setdefault(str(row.phase), {"y": [], "x": [], "base": [], "points": []})
            piece["y"].append(label)
            piece["base"].append(int(row.first_step))
            # A single analysed step would have no width.
            piece["x"].append(max(int(row.until_step) - int(row.first_step), 1))
            piece["points"].append([int(row.until_step), int(row.points)])
    if not pieces:
        return style.empty(title, "The phase of no layer can be told.")
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "y": pieces[phase]["y"],
            "x": pieces[phase]["x"],
            "base": pieces[phase]["base"],
            "customdata": pieces[phase]["points"],
            "name": phase,
            "marker": {"color": style.PHASE_COLOURS[phase], "line": {"width": 0}},
            "hovertemplate": f"%{{y}}: {phase}<br>steps %{{base}} to %{{customdata[0]}}"
            "<br>%{customdata[1]} analysed steps<extra></extra>",
        }
        for phase in PHASE_ORDER
        if phase in pieces
    ]
    return style.build(
        traces,
        title=title,
        xaxis=step_axis(),
        yaxis=style.axis(
            "", type="category", categoryorder="array", categoryarray=labels[::-1], automargin=True
        ),
        barmode="overlay",
        bargap=0.35,
        height=int(np.clip(130 + 34 * len(labels), 240, 1200)),
    )


def phase_table(layers: Sequence[tuple[str, xr.DataTree]]) -> pd.DataFrame:
    """Tabulate what `phase_timeline` draws.

    Args:
        layers: as given there.

    Returns:
        `label` and the columns of `phase_stretches`.
    """
    parts = [phase_stretches(node).assign(label=label) for label, node in layers]
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({"label": []})
    return table[["label", *[c for c in table.columns if c != "label"]]]
