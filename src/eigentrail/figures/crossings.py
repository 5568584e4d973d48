"""Followed singular directions over steps, and where they change places."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import xarray as xr

from eigentrail.figures import style
from eigentrail.figures.evolution import log_menu, step_axis

_MOST = 12


def crossing_timeline(tracks: xr.Dataset, events: xr.Dataset, title: str) -> go.Figure:
    """Draw the singular value of each followed direction, with crosses where two change places.

    Args:
        tracks: `value`, `rank` [step, direction].
        events: `step`, `up`, `down`, `above_noise` [event].
        title: title of the figure.

    Returns:
        A curve per direction; those that are longest among the leading ones.
    """
    steps = tracks["step"].values.astype(np.float64)
    values = tracks["value"].values
    order = np.argsort(-np.isfinite(values).sum(axis=0), kind="stable")[:_MOST]
    traces = []
    for place, column in enumerate(sorted(order)):
        number = int(tracks["direction"].values[column]) + 1
        hover = f"direction {number}: %{{y:.4g}} at step %{{x}}<extra></extra>"
        traces.append(
            style.line(
                steps,
                values[:, column],
                f"direction {number}",
                style.CYCLE[place % len(style.CYCLE)],
                width=1.8,
                hovertemplate=hover,
            )
        )
    for above, name, colour, symbol in (
        (1, "change places, above the noise", style.SPIKE, "x"),
        (0, "change places inside the noise", style.MUTED, "x-thin-open"),
    ):
        chosen = events.isel(event=events["above_noise"].values == above)
        if not chosen.sizes["event"]:
            continue
        at = [
            float(tracks["value"].sel(step=s, direction=u))
            for s, u in zip(chosen["step"].values, chosen["up"].values, strict=True)
        ]
        pairs = np.column_stack([chosen["up"].values + 1, chosen["down"].values + 1])
        traces.append(
            style.line(
                chosen["step"].values.astype(np.float64),
                np.array(at),
                name,
                colour,
                mode="markers",
                marker={"symbol": symbol, "size": 9, "color": colour},
                customdata=pairs,
                hovertemplate="step %{x}: direction %{customdata[0]} rises above %{customdata[1]}<extra></extra>",
            )
        )
    return style.build(
        traces,
        title=title,
        xaxis=step_axis(),
        yaxis=style.axis("singular value"),
        updatemenus=log_menu(),
        margin={"b": 58},
    )


def crossing_data(tracks: xr.Dataset) -> pd.DataFrame:
    """Tabulate what `crossing_timeline` draws.

    Args:
        tracks: `value`, `rank` [step, direction].

    Returns:
        A row per step and direction among the leading values.
    """
    table = tracks[["value", "rank"]].to_dataframe().reset_index()
    kept = table[np.isfinite(table["value"])]
    return (
        kept[["step", "direction", "value", "rank"]].sort_values(["direction", "step"]).reset_index(drop=True)
    )
