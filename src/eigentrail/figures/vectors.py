"""Leading singular vectors against the vectors of a random matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from scipy.special import ndtri

from eigentrail._arrays import to_float64
from eigentrail.figures import style
from eigentrail.spectra.spectrum import Spectrum

NO_VECTORS = (
    "Singular vectors are known only when the spectrum was made from the matrix itself (8 entries or more)."
)
LOOKS = {"short": (style.SPIKE, "circle"), "long": (style.DATA, "square")}


def porter_thomas_quantiles(spectrum: Spectrum) -> go.Figure:
    """Draw the entries of the first singular vectors against those of a random direction, quantile by quantile.

    Args:
        spectrum: made from a matrix.

    Returns:
        A trace per side of the matrix and the diagonal on which a random vector (Porter-Thomas: normal entries) lies.
    """
    data = quantile_data(spectrum)
    vectors = spectrum.vectors
    if data.empty or vectors is None:
        return style.empty("Entries of the leading vectors", NO_VECTORS)
    ends = np.array([-3.0, 3.0])
    traces = [style.line(ends, ends, "random vector (null)", style.NULL, dash="dash", hoverinfo="skip")]
    for side, p in (("short", vectors.short_p), ("long", vectors.long_p)):
        colour, symbol = LOOKS[side]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": data["normal"].to_numpy(),
                "y": data[side].to_numpy(),
                "name": f"{side} side, Porter-Thomas {style.p_told(float(p[0]))}",
                "marker": {"color": colour, "symbol": symbol, "size": 5, "opacity": 0.75},
                "hovertemplate": "normal %{x:.3g}<br>entry × √length %{y:.3g}<extra></extra>",
            }
        )
    return style.build(
        traces,
        title="Entries of the leading vectors",
        xaxis=style.axis("quantile of a random vector (standard normal)"),
        yaxis=style.axis("quantile of entry × √length"),
    )


def quantile_data(spectrum: Spectrum) -> pd.DataFrame:
    """Tabulate what `porter_thomas_quantiles` draws.

    Args:
        spectrum: as given to `porter_thomas_quantiles`.

    Returns:
        A row per quantile: `level`, `normal`, and the entries `short` and `long`, times the root of the vector's
        length; no rows without vectors.
    """
    vectors = spectrum.vectors
    if vectors is None:
        return pd.DataFrame({"level": [], "normal": [], "short": [], "long": []})
    short, long = to_float64(vectors.short_quantiles), to_float64(vectors.long_quantiles)
    level = (np.arange(short.size) + 0.5) / short.size
    return pd.DataFrame({"level": level, "normal": ndtri(level), "short": short, "long": long})


def localisation(spectrum: Spectrum) -> go.Figure:
    """Draw which share of its entries carries each leading vector, against chance.

    Args:
        spectrum: made from a matrix.

    Returns:
        Traces "short side" and "long side" of the participation 1 / (n sum v^4) by index, chance and its band.
    """
    table = localisation_data(spectrum)
    if table.empty:
        return style.empty("Participation of the leading vectors", NO_VECTORS)
    traces: list[dict[str, Any]] = []
    for side, (colour, symbol) in LOOKS.items():
        part = table[table["side"] == side]
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "x": part["index"].to_numpy(),
                "y": part["participation"].to_numpy(),
                "customdata": part[["eigenvalue", "porter_thomas_p"]].to_numpy(),
                "name": f"{side} side",
                "line": {"color": colour, "width": 1},
                "marker": {"color": colour, "symbol": symbol, "size": 7},
                "hovertemplate": f"{side} side, vector %{{x}}: %{{y:.3g}}<br>λ = %{{customdata[0]:.4g}}"
                "<br>Porter-Thomas p = %{customdata[1]:.2g}<extra></extra>",
            }
        )
    chance, spread = float(table["chance"].mean()), float(table["chance_error"].max())
    ends = np.array([0.5, float(table["index"].max()) + 0.5])
    name = "random vector (null), ± 2 s.d."
    traces.append(style.line(ends, np.full(2, chance), name, style.NULL, dash="dash", hoverinfo="skip"))
    band = {
        "type": "rect",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "y0": chance - 2 * spread,
        "y1": chance + 2 * spread,
    }
    return style.build(
        traces,
        title="Participation of the leading vectors",
        xaxis=style.axis("index of the singular vector (1 = strongest)"),
        yaxis=style.axis("participation 1 / (n Σ v⁴)", range=[0, 1]),
        shapes=[{**band, "fillcolor": style.NULL, "opacity": 0.14, "line": {"width": 0}, "layer": "below"}],
    )


def localisation_data(spectrum: Spectrum) -> pd.DataFrame:
    """Tabulate what `localisation` draws.

    Args:
        spectrum: as given to `localisation`.

    Returns:
        A row per vector: `side`, `index` from 1, `eigenvalue`, `participation` (1 for even entries, 1/n for a single
        one), `porter_thomas_p`, `chance` = (n + 2) / (3 n) and `chance_error` = sqrt(24 / n) / 9 (mean and standard
        deviation for a random direction of large n); no rows without vectors.
    """
    columns = ["side", "index", "eigenvalue", "participation", "porter_thomas_p", "chance", "chance_error"]
    vectors, rows = spectrum.vectors, []
    if vectors is not None and spectrum.rows is not None and spectrum.cols is not None:
        sides = (
            ("short", vectors.short_participation, vectors.short_p, spectrum.cols),
            ("long", vectors.long_participation, vectors.long_p, spectrum.rows),
        )
        for side, part, p, n in sides:
            for i, value in enumerate(to_float64(vectors.values)):
                chance = ((n + 2) / (3 * n), np.sqrt(24 / n) / 9)
                rows.append((side, i + 1, float(value), float(part[i]), float(p[i]), *chance))
    return pd.DataFrame(rows, columns=columns)
