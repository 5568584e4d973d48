"""The spectral density of one matrix beside the Marchenko-Pastur law of pure noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from jaxtyping import Float64

from eigentrail._arrays import to_float64
from eigentrail.errors import SpectrumError
from eigentrail.figures import style
from eigentrail.spectra import tracy_widom
from eigentrail.spectra.marchenko_pastur import MarchenkoPastur
from eigentrail.spectra.spectrum import Spectrum

UNIT = "eigenvalue λ of WᵀW / N"


def law_of(spectrum: Spectrum) -> tuple[MarchenkoPastur | None, str]:
    """Fit the null law, or say why there is none.

    Args:
        spectrum: any spectrum.

    Returns:
        The fit and an empty text, or None and the reason as one sentence.
    """
    try:
        if spectrum.rows is not None:
            spectrum.require_width()
        return spectrum.marchenko_pastur(), ""
    except SpectrumError as error:
        return None, str(error)


def bin_edges(
    eigenvalues: Float64[np.ndarray, " n"], law: MarchenkoPastur | None
) -> Float64[np.ndarray, " bins"]:
    """Choose bins that resolve the bulk however far the spikes lie.

    Args:
        eigenvalues: ascending.
        law: its threshold ends the bulk; without one the 98% quantile does.

    Returns:
        Borders of 15 to 120 bins of one width, from the smallest eigenvalue to the end of what is drawn at first: the
        largest eigenvalue if that lies within four times the bulk's end, else 2.2 times the bulk's end.
    """
    low, high = float(eigenvalues[0]), float(eigenvalues[-1])
    bulk_end = law.threshold if law is not None else float(np.quantile(eigenvalues, 0.98))
    low = max(low, 0.0) if law is not None else low
    if law is not None:
        # An eigenvalue far below the law's lower edge would leave empty bins only when it is far below.
        low = min(low, law.edge_low)
    if not bulk_end > low:
        bulk_end = high
    if not bulk_end > low:
        width = abs(low) or 1.0
        return np.array([low - width / 2, low + width / 2])
    end = high if high <= 4 * bulk_end else 2.2 * bulk_end
    end = max(end, bulk_end)
    bulk = eigenvalues[eigenvalues <= bulk_end]
    bins = int(np.clip(2.5 * max(bulk.size, 1) ** (1 / 3), 15, 60))
    width = (bulk_end - low) / bins
    return low + width * np.arange(min(120, int(np.ceil((end - low) / width))) + 1)


def spectral_density(spectrum: Spectrum, title: str = "Spectral density") -> go.Figure:
    """Draw the density of eigenvalues with the law that pure noise of the same shape and variance would follow.

    The law is scaled to the share of eigenvalues that lie in the bulk. Everything above the threshold is marked as a
    spike; the band below the threshold is where the largest eigenvalue of noise falls (Tracy & Widom 1996, with the
    centring of Johnstone 2001).

    Args:
        spectrum: of one matrix or of a pool; without rows and cols only the histogram is drawn.
        title: title of the figure.

    Returns:
        Traces named "eigenvalues", "Marchenko-Pastur (null)", "edge", "threshold", "spikes" and, where the
        spectrum has one, the shuffled matrix: "shuffled (null)", where all its eigenvalues are there,
        and "largest shuffled".
    """
    values = to_float64(spectrum.eigenvalues)
    law, reason = law_of(spectrum)
    edges = bin_edges(values, law)
    heights, counts = style.histogram(values, edges)
    centres = (edges[1:] + edges[:-1]) / 2
    traces: list[dict[str, Any]] = [
        {
            "type": "bar",
            "x": centres,
            "y": heights,
            "width": float(edges[1] - edges[0]),
            "customdata": counts,
            "name": "eigenvalues",
            "marker": {"color": style.DATA, "opacity": 0.55, "line": {"width": 0}},
            "hovertemplate": "λ ≈ %{x:.4g}<br>density %{y:.3g}<br>%{customdata} eigenvalues<extra></extra>",
        }
    ]
    shapes: list[dict[str, Any]] = []
    notes = [style.note(reason)] if reason else []
    top = float(heights.max()) if heights.size else 1.0
    if law is not None:
        x, y = law_curve(law, values.size)
        inside = y[x >= max(edges[0], law.edge_low + 0.02 * (law.edge_high - law.edge_low))]
        top = max(top, min(float(inside.max()) if inside.size else top, 2 * top))
        label = f"Marchenko-Pastur, σ = {law.sigma:.3g} (null)"
        traces += [
            style.line(
                x, y, label, style.NULL, hovertemplate="noise density %{y:.3g} at %{x:.4g}<extra></extra>"
            ),
            style.vertical(law.edge_high, "edge λ₊", style.NULL, top, dash="dot", width=1.5),
            style.vertical(
                law.threshold, f"threshold ({law.level:.0%})", style.SPIKE, top, dash="dash", width=1.5
            ),
        ]
        shapes.append(tracy_widom_band(spectrum, law))
        traces += spike_marks(law, top)
        beyond = int((values > edges[-1]).sum())
        if beyond:
            notes.append(style.note(f"{beyond} more, up to {values[-1]:.3g}", y=0.9))
    if spectrum.null is not None:
        if spectrum.null.complete:
            shuffled, _ = style.histogram(to_float64(spectrum.null.eigenvalues), edges)
            x, y = style.steps(edges, shuffled)
            traces.append(style.line(x, y, "shuffled (null)", style.MUTED, width=1.2, hoverinfo="skip"))
        largest = float(spectrum.null.lambda_max)
        if largest <= edges[-1]:
            traces.append(
                style.vertical(largest, "largest shuffled", style.MUTED, top, dash="dashdot", width=1.5)
            )
    span = edges[-1] - edges[0]
    return style.build(
        traces,
        title=title,
        xaxis=style.axis(UNIT, range=[edges[0] - 0.03 * span, edges[-1] + 0.03 * span]),
        yaxis=style.axis("density (per unit of λ)", range=[0, 1.12 * top]),
        bargap=0,
        shapes=shapes,
        annotations=notes,
    )


def law_curve(
    law: MarchenkoPastur, size: int, points: int = 80
) -> tuple[Float64[np.ndarray, " points"], Float64[np.ndarray, " points"]]:
    """Sample the null density where it bends most: densely at both edges.

    Args:
        law: the fit.
        size: number of all eigenvalues; the law is scaled by the share (size - spikes) / size.
        points: how many points.

    Returns:
        Eigenvalues and densities.
    """
    phi = np.linspace(0.0, np.pi, points + 2)[1:-1]
    half = (law.edge_high - law.edge_low) / 2
    x = law.edge_low + half * (1 - np.cos(phi))
    share = (size - law.spikes) / size
    return x, share * to_float64(law.density(x))


def tracy_widom_band(spectrum: Spectrum, law: MarchenkoPastur) -> dict[str, Any]:
    """Describe the band in which the largest eigenvalue of pure noise lies.

    Args:
        spectrum: gives shape and number of matrices.
        law: the fit; the band is [level, 1 - level] of the Tracy-Widom law.

    Returns:
        A rectangle as a dict.
    """
    low = law.edge_high
    if spectrum.rows is not None and spectrum.cols is not None:
        low = tracy_widom.threshold(spectrum.rows, spectrum.cols, law.sigma, 1 - law.level, spectrum.matrices)
    return {
        "type": "rect",
        "xref": "x",
        "yref": "paper",
        "x0": low,
        "x1": law.threshold,
        "y0": 0,
        "y1": 1,
        "fillcolor": style.NULL,
        "opacity": 0.16,
        "line": {"width": 0},
        "layer": "below",
        "name": "Tracy-Widom band",
    }


def spike_marks(law: MarchenkoPastur, top: float) -> list[dict[str, Any]]:
    """Mark each spike on the axis, with its debiased strength.

    Args:
        law: the fit.
        top: largest density drawn.

    Returns:
        One trace of markers, or none.
    """
    spikes = to_float64(law.spike_values)
    if spikes.size == 0:
        return []
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "x": spikes,
            "y": np.full(spikes.size, 0.03 * top),
            "customdata": to_float64(law.spike_strengths),
            "name": f"spikes ({law.spikes})",
            "marker": {"symbol": "triangle-down", "size": 9, "color": style.SPIKE},
            "hovertemplate": "spike λ = %{x:.4g}<br>debiased strength %{customdata:.3g}<extra></extra>",
        }
    ]


def density_data(spectrum: Spectrum) -> pd.DataFrame:
    """Tabulate what `spectral_density` draws.

    Args:
        spectrum: as given to `spectral_density`.

    Returns:
        A row per bin: `bin_low`, `bin_high`, `count`, `density`, `null_density` at the middle, `spikes` above the
        threshold in it, and `shuffled_density` of the shuffled matrix; the last bin goes up to the largest eigenvalue.
    """
    values = to_float64(spectrum.eigenvalues)
    law, _ = law_of(spectrum)
    edges = bin_edges(values, law)
    if values[-1] > edges[-1]:
        edges = np.append(edges, np.nextafter(values[-1], np.inf))
    heights, counts = style.histogram(values, edges)
    table = pd.DataFrame({"bin_low": edges[:-1], "bin_high": edges[1:], "count": counts, "density": heights})
    if law is not None:
        centres = (edges[1:] + edges[:-1]) / 2
        share = (values.size - law.spikes) / values.size
        table["null_density"] = share * to_float64(law.density(centres))
        table["spikes"] = np.histogram(to_float64(law.spike_values), bins=edges)[0]
    if spectrum.null is not None and spectrum.null.complete:
        table["shuffled_density"] = style.histogram(to_float64(spectrum.null.eigenvalues), edges)[0]
    return table
