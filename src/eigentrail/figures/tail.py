"""The upper tail of a spectrum on logarithmic axes: the power-law fit, its alternatives and the null."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from jaxtyping import Float64

from eigentrail._arrays import to_float64
from eigentrail.errors import SpectrumError
from eigentrail.figures import style
from eigentrail.figures.alternatives import alternative_ccdf
from eigentrail.figures.density import UNIT, law_of
from eigentrail.spectra.power_law import PowerLaw
from eigentrail.spectra.spectrum import Spectrum

ALTERNATIVES = {"lognormal": "dash", "exponential": "dot", "truncated-power-law": "dashdot"}


def positive(spectrum: Spectrum) -> Float64[np.ndarray, " n"]:
    """Give the eigenvalues that a logarithmic axis can show.

    Args:
        spectrum: any spectrum.

    Returns:
        Those above 1e-14 of the largest, ascending.
    """
    values = to_float64(spectrum.eigenvalues)
    return values[values > max(float(values[-1]), 0.0) * 1e-14]


def fit_of(spectrum: Spectrum) -> tuple[PowerLaw | None, str]:
    """Fit the tail, or say why there is no fit.

    Args:
        spectrum: any spectrum.

    Returns:
        The fit and an empty text, or None and the reason as one sentence.
    """
    try:
        return spectrum.power_law(), ""
    except SpectrumError as error:
        return None, str(error)


def tail_ccdf(spectrum: Spectrum) -> go.Figure:
    """Draw the share of eigenvalues at or above each value, with the fits above xmin.

    Args:
        spectrum: of one matrix or of a pool.

    Returns:
        Traces for the eigenvalues, the power law, each alternative, xmin, and the Marchenko-Pastur null.
    """
    values = positive(spectrum)
    if values.size == 0:
        return style.empty("Tail", "There are no positive eigenvalues to draw on a logarithmic axis.")
    n = values.size
    share = np.arange(n, 0, -1) / n
    traces: list[dict[str, Any]] = [
        {
            "type": "scatter",
            "mode": "markers",
            "x": values,
            "y": share,
            "name": "eigenvalues",
            "marker": {"color": style.DATA, "size": 5, "opacity": 0.8},
            "hovertemplate": "P(Λ ≥ %{x:.4g}) = %{y:.3g}<extra></extra>",
        }
    ]
    low = 0.6 / n
    law, _ = law_of(spectrum)
    if law is not None:
        x = np.geomspace(max(law.edge_low, values[0], law.edge_high * 1e-4), law.edge_high, 60)
        null = 1 - to_float64(law.cdf(x))
        shown = null > low
        traces.append(
            style.line(x[shown], null[shown], "Marchenko-Pastur (null)", style.NULL, dash="dash", width=1.5)
        )
    fit, reason = fit_of(spectrum)
    notes = [style.note(reason)] if reason else []
    if fit is not None:
        grid = np.geomspace(fit.xmin, values[-1], 24)
        weight = fit.tail_size / n
        line = weight * (grid / fit.xmin) ** (1 - fit.alpha)
        traces.append(
            style.line(
                grid, line, f"power law, α = {fit.alpha:.3g} ± {fit.alpha_error:.2g}", style.FIT, width=2.5
            )
        )
        for model, dash in ALTERNATIVES.items():
            if (
                model in fit.comparisons
                and np.isfinite(list(fit.comparisons[model].parameters.values())).all()
            ):
                tail = weight * alternative_ccdf(model, fit.comparisons[model].parameters, grid, fit.xmin)
                name = f"{model.replace('-', ' ')} (p = {fit.comparisons[model].p_value:.2g})"
                keep = tail > low
                traces.append(style.line(grid[keep], tail[keep], name, style.OTHER, dash=dash, width=1.5))
        traces.append(style.vertical(fit.xmin, "xmin", style.MUTED, 1.0, base=low, dash="dot", width=1.5))
    return style.build(
        traces,
        title="Tail: share of eigenvalues above λ",
        xaxis=style.axis(UNIT, type="log", range=log_range(values, fit)),
        yaxis=style.axis("share at or above λ", type="log", range=[np.log10(low), 0.1]),
        annotations=notes,
    )


def log_range(values: Float64[np.ndarray, " n"], fit: PowerLaw | None) -> list[float]:
    """Choose what a logarithmic axis shows at first: the tail and the upper half, not the decades near zero.

    Args:
        values: positive eigenvalues, ascending.
        fit: the power law, if there is one.

    Returns:
        Decimal logarithms of both ends.
    """
    start = float(np.median(values)) / 10
    if fit is not None:
        start = min(start, fit.xmin / 3)
    low, high = np.log10(max(float(values[0]), start)), np.log10(float(values[-1]))
    margin = 0.04 * (high - low) or 0.1
    return [float(low - margin), float(high + margin)]


def tail_data(spectrum: Spectrum) -> pd.DataFrame:
    """Tabulate what `tail_ccdf` draws.

    Args:
        spectrum: as given to `tail_ccdf`.

    Returns:
        A row per positive eigenvalue, ascending: `eigenvalue`, `share_at_or_above`, `power_law` (missing below xmin)
        and `null` (missing without a Marchenko-Pastur fit).
    """
    values = positive(spectrum)
    n = values.size
    table = pd.DataFrame({"eigenvalue": values, "share_at_or_above": np.arange(n, 0, -1) / n})
    fit, _ = fit_of(spectrum)
    if fit is not None:
        line = fit.tail_size / n * (np.maximum(values, fit.xmin) / fit.xmin) ** (1 - fit.alpha)
        table["power_law"] = np.where(values >= fit.xmin, line, np.nan)
    law, _ = law_of(spectrum)
    if law is not None:
        table["null"] = 1 - to_float64(law.cdf(values))
    return table


def log_bins(values: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " bins"]:
    """Choose bins of one width in the logarithm.

    Args:
        values: positive, ascending.

    Returns:
        Borders of 8 to 60 bins from the smallest to just above the largest value.
    """
    bins = int(np.clip(3 * values.size ** (1 / 3), 8, 60))
    low, high = float(values[0]), float(values[-1]) * (1 + 1e-12)
    return np.geomspace(low, high, bins + 1) if high > 1.0001 * low else np.array([low * 0.9, high * 1.1])


def tail_density(spectrum: Spectrum) -> go.Figure:
    """Draw the density of eigenvalues on two logarithmic axes, on which a power law is a straight line.

    Args:
        spectrum: of one matrix or of a pool.

    Returns:
        Traces for the binned eigenvalues, the power law above xmin, and the Marchenko-Pastur null.
    """
    values = positive(spectrum)
    if values.size == 0:
        return style.empty("Density on logarithmic axes", "There are no positive eigenvalues to draw.")
    table = tail_density_data(spectrum)
    filled = table["count"] > 0
    traces: list[dict[str, Any]] = [
        {
            "type": "scatter",
            "mode": "markers",
            "x": np.sqrt(table["bin_low"] * table["bin_high"]).to_numpy()[filled],
            "y": table["density"].to_numpy()[filled],
            "customdata": table["count"].to_numpy()[filled],
            "name": "eigenvalues",
            "marker": {"color": style.DATA, "size": 7},
            "hovertemplate": "λ ≈ %{x:.4g}<br>density %{y:.3g}<br>%{customdata} eigenvalues<extra></extra>",
        }
    ]
    floor = float(table["density"][filled].min()) / 3
    law, _ = law_of(spectrum)
    if law is not None:
        x = np.geomspace(max(law.edge_low, values[0], law.edge_high * 1e-4), law.edge_high, 60)
        null = to_float64(law.density(x)) * (values.size - law.spikes) / values.size
        shown = null > floor
        traces.append(
            style.line(x[shown], null[shown], "Marchenko-Pastur (null)", style.NULL, dash="dash", width=1.5)
        )
    fit, reason = fit_of(spectrum)
    if fit is not None:
        grid = np.geomspace(fit.xmin, values[-1], 6)
        line = fit.tail_size / values.size * (fit.alpha - 1) / fit.xmin * (grid / fit.xmin) ** (-fit.alpha)
        traces.append(style.line(grid, line, f"power law, α = {fit.alpha:.3g}", style.FIT, width=2.5))
        top = float(table["density"].max())
        traces.append(style.vertical(fit.xmin, "xmin", style.MUTED, top, base=floor, dash="dot", width=1.5))
    return style.build(
        traces,
        title="Density on logarithmic axes",
        xaxis=style.axis(UNIT, type="log"),
        yaxis=style.axis("density (per unit of λ)", type="log"),
        annotations=[style.note(reason)] if reason else [],
    )


def tail_density_data(spectrum: Spectrum) -> pd.DataFrame:
    """Tabulate what `tail_density` draws.

    Args:
        spectrum: as given to `tail_density`.

    Returns:
        A row per bin: `bin_low`, `bin_high`, `count`, `density`.
    """
    values = positive(spectrum)
    if values.size == 0:
        return pd.DataFrame({"bin_low": [], "bin_high": [], "count": [], "density": []})
    edges = log_bins(values)
    heights, counts = style.histogram(values, edges)
    return pd.DataFrame({"bin_low": edges[:-1], "bin_high": edges[1:], "count": counts, "density": heights})
