"""The motion along the first component with its fits, and how straight it is beside walks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import xarray as xr
from jaxtyping import Float64

from eigentrail.figures import style
from eigentrail.figures.evolution import log_menu, step_axis, thinned

_POINTS = 280
_BINS = 26


def drift_fit(data: xr.Dataset, title: str) -> go.Figure:
    """Draw theta(t) = w(t) . p_1 with its straight line and its exponential.

    Args:
        data: a layer of the analysis `drift`.
        title: title of the figure.

    Returns:
        Three curves; the band around the line is one error of its slope, from the middle.
    """
    table = drift_data(data)
    x, about = table["step"].to_numpy(np.float64), data.attrs
    slope, error = about["slope"], about["slope_error"]
    middle = float(data["step"].values.astype(np.float64).mean())
    line = table["line"].to_numpy()
    spread = np.abs(x - middle) * error
    quiet = {"hoverinfo": "skip", "width": 0.5, "showlegend": False}
    traces: list[dict[str, Any]] = [
        style.line(x, line - spread, "lower end", style.NULL, **quiet),
        style.line(
            x,
            line + spread,
            "upper end",
            style.NULL,
            fill="tonexty",
            fillcolor="rgba(207,122,30,0.16)",
            **quiet,
        ),
        style.line(
            x,
            table["theta"].to_numpy(),
            "weights along the first component",
            style.DATA,
            width=2.4,
            hovertemplate="θ = %{y:.4g} at step %{x}<extra></extra>",
        ),
        style.line(
            x,
            line,
            f"line: slope {slope:.2e} ± {error:.1e} per step (r² {about['r2']:.2f})",
            style.NULL,
            dash="dash",
            hovertemplate="line %{y:.4g}<extra></extra>",
        ),
        style.line(
            x,
            table["exponential"].to_numpy(),
            f"exponential: rate {about['rate']:.2e} ± {about['rate_error']:.1e} per step "
            f"(r² {about['exponential_r2']:.2f})",
            style.FIT,
            dash="dot",
            hovertemplate="exponential %{y:.4g}<extra></extra>",
        ),
    ]
    return style.build(
        traces,
        title=title,
        xaxis=step_axis(),
        yaxis=style.axis("θ = w · p₁"),
        updatemenus=log_menu(),
        height=400,
        legend={"traceorder": "normal"},
        margin={"b": 58, "t": 64},
    )


def drift_data(data: xr.Dataset) -> pd.DataFrame:
    """Tabulate what `drift_fit` draws.

    Args:
        data: a layer of the analysis `drift`.

    Returns:
        `step`, `theta`, `line` and `exponential`.
    """
    rows = thinned(data.sizes["step"], _POINTS)
    steps = data["step"].values[rows]
    since = steps.astype(np.float64) - float(data["step"].values[0])
    about = data.attrs
    return pd.DataFrame(
        {
            "step": steps,
            "theta": data["theta"].values[rows],
            "line": about["intercept"] + about["slope"] * since,
            "exponential": about["limit"] + about["amplitude"] * np.exp(-about["rate"] * since),
        }
    )


def walk_histogram(
    null: Float64[np.ndarray, " draw"], observed: float, title: str, unit: str, walks: str
) -> go.Figure:
    """Draw a number beside its distribution over walks.

    Args:
        null: [draws] the number of each walk.
        observed: the observed one.
        title: title of the figure.
        unit: what the number is.
        walks: what the walks are.

    Returns:
        A histogram and a vertical line; both are inside the axis.
    """
    if not len(null) or not np.isfinite(observed):
        return style.empty(title, "There is nothing to compare.")
    low, high = min(float(null.min()), observed), max(float(null.max()), observed)
    margin = 0.04 * (high - low) or 0.05
    edges = np.linspace(float(null.min()), float(null.max()) or 1.0, _BINS)
    if edges[-1] <= edges[0]:
        edges = np.linspace(edges[0] - 0.5 * margin, edges[0] + 0.5 * margin, 3)
    counts = np.histogram(null, edges)[0]
    traces: list[dict[str, Any]] = [
        {
            "type": "bar",
            "x": (edges[1:] + edges[:-1]) / 2,
            "y": counts,
            "width": np.diff(edges),
            "name": f"{len(null)} {walks} (null)",
            "marker": {"color": style.NULL, "opacity": 0.6, "line": {"width": 0}},
            "hovertemplate": "%{y} walks around %{x:.3g}<extra></extra>",
        },
        style.vertical(observed, "observed", style.DATA, float(counts.max()), width=3),
    ]
    return style.build(
        traces,
        title=title,
        xaxis=style.axis(unit, range=[low - margin, high + margin]),
        yaxis=style.axis("walks", rangemode="tozero"),
        bargap=0,
    )
