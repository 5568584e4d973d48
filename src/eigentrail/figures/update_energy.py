"""How many directions hold the updates of the layers, beside random updates of equal norm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from eigentrail._untrusted import plotly_text
from eigentrail.figures import style
from eigentrail.spectra.energy import energy_shares, noise_energy_shares
from eigentrail.spectra.spectrum import Spectrum

#: More curves than this hide each other.
MOST_CURVES = 12
_POINTS = 120


def update_energy(differences: Mapping[str, Spectrum]) -> go.Figure:
    """Draw the share of the squared norm of B - A that the leading directions hold.

    Args:
        differences: spectra of the updates by layer, the most moved first; the first twelve are drawn.

    Returns:
        A curve per layer, and in grey that of a random update of its shape.
    """
    data = update_energy_data(differences)
    traces: list[dict[str, Any]] = []
    for number, (shape, part) in enumerate(data.groupby("shape", sort=False)):
        first = part[part["layer"] == part["layer"].iloc[0]]
        name = f"random update, {shape} (null)"
        traces.append(
            style.line(
                first["directions"].to_numpy(), first["noise"].to_numpy(), name, style.NULL,
                dash=("dash", "dot", "dashdot", "longdash", "longdashdot")[number % 5], width=1.4,
            )
        )  # fmt: skip
    for number, (layer, part) in enumerate(data.groupby("layer", sort=False)):
        colour = style.CYCLE[number % len(style.CYCLE)]
        traces.append(
            style.line(
                part["directions"].to_numpy(), part["energy"].to_numpy(), plotly_text(str(layer), 48), colour,
                hovertemplate="%{x:.1%} of the directions hold %{y:.1%}<extra>%{fullData.name}</extra>",
            )
        )  # fmt: skip
    return style.build(
        traces,
        title="Energy of the updates",
        xaxis=style.axis("share of the singular directions", range=[0, 1], tickformat=".0%"),
        yaxis=style.axis("share of ‖B − A‖²", range=[0, 1.02], tickformat=".0%"),
    )


def update_energy_data(differences: Mapping[str, Spectrum]) -> pd.DataFrame:
    """Tabulate what `update_energy` draws.

    Args:
        differences: as given to `update_energy`.

    Returns:
        A row per layer and share of its directions: `layer`, `shape`, `directions`, `energy`, `noise`.
    """
    x = np.linspace(0, 1, _POINTS)
    parts = []
    for layer, spectrum in list(differences.items())[:MOST_CURVES]:
        rows, cols = spectrum.rows, spectrum.cols
        if rows is None or cols is None:
            continue
        curves = [energy_shares(spectrum.eigenvalues), noise_energy_shares(rows, cols)]
        energy, noise = (
            np.interp(x, np.linspace(0, 1, len(one) + 1), np.concatenate([[0.0], one])) for one in curves
        )
        part = {"layer": layer, "shape": f"{rows} x {cols}", "directions": x, "energy": energy}
        parts.append(pd.DataFrame({**part, "noise": noise}))
    columns = ["layer", "shape", "directions", "energy", "noise"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
