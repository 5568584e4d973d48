"""Level statistics of one spectrum against Wigner (repelling levels) and Poisson (independent levels)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from jaxtyping import Float64

from eigentrail._arrays import to_float64
from eigentrail.errors import SpectrumError
from eigentrail.figures import style
from eigentrail.spectra.spacing_laws import poisson, ratio_density_goe, ratio_density_poisson, wigner_surmise
from eigentrail.spectra.spacings import Spacings
from eigentrail.spectra.spectrum import Spectrum

SPACING_EDGES = np.linspace(0.0, 4.0, 33)
RATIO_EDGES = np.linspace(0.0, 1.0, 21)


def levels_of(spectrum: Spectrum) -> tuple[Spacings | None, str]:
    """Compute the level statistics, or say why there are none.

    Args:
        spectrum: any spectrum.

    Returns:
        The statistics and an empty text, or None and the reason as one sentence.
    """
    try:
        return spectrum.spacings(), ""
    except SpectrumError as error:
        return None, str(error)


def spacing_histogram(spectrum: Spectrum) -> go.Figure:
    """Draw the unfolded nearest-neighbour spacings of a spectrum between the two laws.

    Args:
        spectrum: of one matrix or of a pool (matrices are never mixed).

    Returns:
        See `histogram_of_spacings`.
    """
    levels, reason = levels_of(spectrum)
    if levels is None:
        return style.empty("Level spacings", reason)
    spacings = to_float64(levels.unfolded).ravel()
    return histogram_of_spacings(spacings, levels.p_wigner, levels.p_poisson, levels.note)


def histogram_of_spacings(
    spacings: Float64[np.ndarray, " n"],
    p_wigner: float | None = None,
    p_poisson: float | None = None,
    note: str | None = None,
) -> go.Figure:
    """Draw unfolded nearest-neighbour spacings between the two laws.

    Args:
        spacings: of mean 1.
        p_wigner: agreement with the law of random matrices.
        p_poisson: agreement with independent levels.
        note: a remark.

    Returns:
        Traces "spacings", "Wigner (random matrix)" and "Poisson (independent levels)".
    """
    s = np.linspace(0, 4, 61)
    wigner, independent = map(style.p_told, (p_wigner, p_poisson))
    traces = [
        _bars(spacings, SPACING_EDGES, "spacings"),
        style.line(s, wigner_surmise(s), f"Wigner (random matrix), {wigner}", style.NULL),
        style.line(s, poisson(s), f"Poisson (independent levels), {independent}", style.OTHER, dash="dash"),
    ]
    return style.build(
        traces,
        title="Level spacings",
        xaxis=style.axis("unfolded spacing s (mean 1)", range=[0, 4]),
        yaxis=style.axis("density", rangemode="tozero"),
        bargap=0,
        annotations=[style.note(note)] if note else [],
    )


def spacing_data(spectrum: Spectrum) -> pd.DataFrame:
    """Tabulate what `spacing_histogram` draws.

    Args:
        spectrum: as given to `spacing_histogram`.

    Returns:
        A row per bin: `bin_low`, `bin_high`, `count`, `density`, `wigner`, `poisson` at its middle.
    """
    levels, _ = levels_of(spectrum)
    values = to_float64(levels.unfolded).ravel() if levels is not None else np.empty(0)
    table = _binned(values, SPACING_EDGES)
    middle = (SPACING_EDGES[1:] + SPACING_EDGES[:-1]) / 2
    return table.assign(wigner=wigner_surmise(middle), poisson=poisson(middle))


def spacing_ratio(spectrum: Spectrum) -> go.Figure:
    """Draw the ratios of neighbouring spacings of a spectrum, which need no unfolding.

    Args:
        spectrum: of one matrix or of a pool.

    Returns:
        See `histogram_of_ratios`.
    """
    levels, reason = levels_of(spectrum)
    if levels is None:
        return style.empty("Spacing ratios", reason)
    return histogram_of_ratios(to_float64(levels.ratios).ravel(), levels.ratio_mean, levels.note)


def histogram_of_ratios(
    ratios: Float64[np.ndarray, " n"], mean: float | None, note: str | None = None
) -> go.Figure:
    """Draw ratios of neighbouring spacings.

    Args:
        ratios: smaller over larger one.
        mean: their mean; None where there are too few.
        note: why there are none.

    Returns:
        Traces "ratios", "random matrix (GOE)" and "independent levels (Poisson)".
    """
    if mean is None or not ratios.size:
        return style.empty("Spacing ratios", note or "There are too few distinct levels for a spacing ratio.")
    r = np.linspace(0, 1, 31)
    traces = [
        _bars(ratios, RATIO_EDGES, f"ratios, mean {mean:.3f}"),
        style.line(r, ratio_density_goe(r), "random matrix (GOE), mean 0.531", style.NULL),
        style.line(
            r, ratio_density_poisson(r), "independent levels (Poisson), mean 0.386", style.OTHER, dash="dash"
        ),
    ]
    return style.build(
        traces,
        title="Spacing ratios",
        xaxis=style.axis("smaller / larger of two neighbouring spacings", range=[0, 1]),
        yaxis=style.axis("density", rangemode="tozero"),
        bargap=0,
    )


def ratio_data(spectrum: Spectrum) -> pd.DataFrame:
    """Tabulate what `spacing_ratio` draws.

    Args:
        spectrum: as given to `spacing_ratio`.

    Returns:
        A row per bin: `bin_low`, `bin_high`, `count`, `density`, `goe`, `poisson` at its middle.
    """
    levels, _ = levels_of(spectrum)
    values = to_float64(levels.ratios).ravel() if levels is not None else np.empty(0)
    table = _binned(values, RATIO_EDGES)
    middle = (RATIO_EDGES[1:] + RATIO_EDGES[:-1]) / 2
    return table.assign(goe=ratio_density_goe(middle), poisson=ratio_density_poisson(middle))


def _bars(
    values: Float64[np.ndarray, " n"], edges: Float64[np.ndarray, " bins"], name: str
) -> dict[str, Any]:
    heights, counts = style.histogram(values, edges)
    return {
        "type": "bar",
        "x": (edges[1:] + edges[:-1]) / 2,
        "y": heights,
        "customdata": counts,
        "width": float(edges[1] - edges[0]),
        "name": name,
        "marker": {"color": style.DATA, "opacity": 0.55, "line": {"width": 0}},
        "hovertemplate": "%{x:.3g}: density %{y:.3g} (%{customdata})<extra></extra>",
    }


def _binned(values: Float64[np.ndarray, " n"], edges: Float64[np.ndarray, " bins"]) -> pd.DataFrame:
    heights, counts = style.histogram(values, edges)
    return pd.DataFrame({"bin_low": edges[:-1], "bin_high": edges[1:], "count": counts, "density": heights})
