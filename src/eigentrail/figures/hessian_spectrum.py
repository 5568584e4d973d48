"""Eigenvalues of a Hessian: by rank, as a density, and their spacings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import xarray as xr
from jaxtyping import Float64

from eigentrail.figures import style
from eigentrail.figures.evolution import thinned

# Decades below the largest eigenvalue that are drawn: what lies lower is rounding.
_DECADES = 9
_COLOURS = (style.DATA, style.OTHER, style.FIT)


def by_rank(spectra: dict[str, Float64[np.ndarray, " n"]], title: str = "Hessian eigenvalues") -> go.Figure:
    """Draw the sizes of eigenvalues against their rank, positive and negative ones apart.

    Args:
        spectra: eigenvalues in any order, by what they are called ("after training", "at the first step").
        title: title of the figure.

    Returns:
        For each spectrum two traces on logarithmic axes.
    """
    traces = []
    top = max((float(np.abs(v).max()) for v in spectra.values() if v.size), default=1.0)
    for number, (name, values) in enumerate(spectra.items()):
        for sign, dash in ((1.0, "solid"), (-1.0, "dot")):
            sizes = np.sort(sign * values)[::-1]
            sizes = sizes[sizes > top * 10.0**-_DECADES]
            if not sizes.size:
                continue
            rows = thinned(sizes.size)
            traces.append(
                style.line(
                    rows + 1.0,
                    sizes[rows],
                    f"{name}, {'positive' if sign > 0 else 'negative'}",
                    _COLOURS[number % len(_COLOURS)],
                    dash=dash,
                    mode="lines+markers" if sizes.size < 30 else "lines",
                    hovertemplate=f"{name}<br>rank %{{x}}: {'' if sign > 0 else '−'}%{{y:.4g}}<extra></extra>",
                )
            )
    return style.build(
        traces,
        title=title,
        xaxis=style.axis("rank among those of its sign", type="log", dtick=1),
        yaxis=style.axis("size of the eigenvalue", type="log", dtick=1),
    )


def by_rank_data(spectra: dict[str, Float64[np.ndarray, " n"]]) -> pd.DataFrame:
    """Tabulate all eigenvalues.

    Args:
        spectra: as given to `by_rank`.

    Returns:
        `spectrum`, `rank` from the largest, `eigenvalue`.
    """
    return pd.concat(
        [
            pd.DataFrame({"spectrum": name, "rank": np.arange(1, len(v) + 1), "eigenvalue": np.sort(v)[::-1]})
            for name, v in spectra.items()
        ],
        ignore_index=True,
    )


def density_curves(densities: dict[str, xr.Dataset], width: str) -> go.Figure:
    """Draw spectral densities with their errors.

    Args:
        densities: `density` and `error` over `eigenvalue`, by what they are called.
        width: what the kernel's width is, in words.

    Returns:
        A curve for each, with a band of two standard errors where there are errors; the density is logarithmic.
    """
    traces: list[dict[str, Any]] = []
    for number, (name, data) in enumerate(densities.items()):
        x, y, error = _drawn(data)
        colour = _COLOURS[number % len(_COLOURS)]
        if (error > 0).any():
            low, high = np.maximum(y - 2 * error, y * 1e-3), y + 2 * error
            traces += [
                style.line(
                    x,
                    high,
                    f"{name}: + 2 standard errors",
                    colour,
                    width=0,
                    showlegend=False,
                    hoverinfo="skip",
                ),
                style.line(
                    x,
                    low,
                    f"{name}: 2 standard errors",
                    colour,
                    width=0,
                    fill="tonexty",
                    opacity=0.3,
                    hoverinfo="skip",
                ),
            ]
        traces.append(
            style.line(x, y, name, colour, hovertemplate="eigenvalue %{x:.4g}: %{y:.3g}<extra></extra>")
        )
    return style.build(
        traces,
        title=f"Density of the eigenvalues ({width})",
        xaxis=style.axis("eigenvalue"),
        yaxis=style.axis("density per unit of eigenvalue", type="log", dtick=1),
    )


def density_data(densities: dict[str, xr.Dataset]) -> pd.DataFrame:
    """Tabulate what `density_curves` draws.

    Args:
        densities: as given to it.

    Returns:
        `spectrum`, `eigenvalue`, `density`, `error`.
    """
    parts = []
    for name, data in densities.items():
        x, y, error = _drawn(data)
        parts.append(pd.DataFrame({"spectrum": name, "eigenvalue": x, "density": y, "error": error}))
    return pd.concat(parts, ignore_index=True)


def _drawn(data: xr.Dataset) -> tuple[Any, Any, Any]:
    x, y = data["eigenvalue"].values, data["density"].values
    error = data["error"].values if "error" in data else np.zeros_like(y)
    # Below a millionth of the largest value a logarithmic axis shows only the kernel's own tail.
    kept = y > 1e-7 * y.max()
    return x[kept], y[kept], np.nan_to_num(error[kept])
