"""Kolmogorov-Smirnov distance of the power-law fit against the place where the tail is said to start."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from jaxtyping import Float64

from eigentrail._arrays import to_float64
from eigentrail.errors import SpectrumError
from eigentrail.figures import style
from eigentrail.figures.tail import fit_of, log_range, positive
from eigentrail.spectra.power_law import ks_curve
from eigentrail.spectra.spectrum import Spectrum


def chance_distance(tail_size: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    """Give the distance that a true power law with fitted exponent exceeds in one case of twenty.

    ln(x / xmin) of a power law is exponential with estimated rate, whose 5% point is Stephens' (1974, table 4).

    Args:
        tail_size: number of eigenvalues at or above xmin.

    Returns:
        Upper 5% points of the two-sided distance.
    """
    root = np.sqrt(tail_size)
    return np.asarray(1.094 / (root + 0.26 + 0.5 / root) + 0.2 / tail_size)


def ks_against_xmin(spectrum: Spectrum) -> go.Figure:
    """Draw the distance for each candidate xmin, with the exponent it would give and what chance allows.

    Args:
        spectrum: of one matrix or of a pool.

    Returns:
        Traces "distance D", "5% point of a true power law (null)", "α at that xmin" (right axis) and "chosen".
    """
    table = ks_data(spectrum)
    fit, reason = fit_of(spectrum)
    if table.empty or fit is None:
        return style.empty("Fit distance against xmin", reason or "There are too few eigenvalues for a tail.")
    x = table["xmin"].to_numpy()
    traces: list[dict[str, Any]] = [
        style.line(
            x,
            table["ks_distance"].to_numpy(),
            "distance D",
            style.DATA,
            customdata=table["tail_size"].to_numpy(),
            hovertemplate="xmin %{x:.4g}: D = %{y:.3g}, %{customdata} in the tail<extra></extra>",
        ),
        style.line(
            x,
            table["null_5_percent"].to_numpy(),
            "5% point of a true power law (null)",
            style.NULL,
            dash="dash",
        ),
        style.line(
            x,
            table["alpha"].to_numpy(),
            "α at that xmin (right axis)",
            style.MUTED,
            width=1.2,
            yaxis="y2",
            hovertemplate="xmin %{x:.4g}: α = %{y:.3g}<extra></extra>",
        ),
        {
            "type": "scatter",
            "mode": "markers",
            "x": [fit.xmin],
            "y": [fit.ks_distance],
            "name": "chosen",
            "marker": {"symbol": "diamond", "size": 11, "color": style.SPIKE},
            "hovertemplate": f"chosen xmin %{{x:.4g}}: D = %{{y:.3g}}, α = {fit.alpha:.3g}<extra></extra>",
        },
    ]
    ceiling = float(np.quantile(table["alpha"], 0.95))
    right = style.axis(
        "α", overlaying="y", side="right", showgrid=False, automargin=True, range=[1, max(1.5, 1.3 * ceiling)]
    )
    return style.build(
        traces,
        title="Fit distance against xmin",
        xaxis=style.axis("candidate xmin (units of λ)", type="log", range=log_range(x, fit)),
        yaxis=style.axis(
            "Kolmogorov-Smirnov distance D", range=[0, min(1.0, 1.25 * float(table["ks_distance"].max()))]
        ),
        yaxis2=right,
    )


def ks_data(spectrum: Spectrum) -> pd.DataFrame:
    """Tabulate what `ks_against_xmin` draws.

    Args:
        spectrum: as given to `ks_against_xmin`.

    Returns:
        A row per candidate, ascending: `xmin`, `ks_distance`, `alpha`, `tail_size`, `null_5_percent`; no rows where the
        tail cannot be fitted.
    """
    values = positive(spectrum)
    try:
        curve = ks_curve(values)
    except SpectrumError:
        # The figure states the reason, which is that of the fit.
        return pd.DataFrame(
            {"xmin": [], "ks_distance": [], "alpha": [], "tail_size": [], "null_5_percent": []}
        )
    x = to_float64(curve.xmins)
    order = np.argsort(x, kind="stable")
    size = values.size - np.searchsorted(values, x[order], side="left")
    return pd.DataFrame(
        {
            "xmin": x[order],
            "ks_distance": to_float64(curve.distances)[order],
            "alpha": to_float64(curve.alphas)[order],
            "tail_size": size,
            "null_5_percent": chance_distance(size.astype(np.float64)),
        }
    )
