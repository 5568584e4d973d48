"""The spectral density of a layer with a slider over steps, the Marchenko-Pastur law drawn at each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import xarray as xr
from jaxtyping import Float64, Int64

from eigentrail.figures import style
from eigentrail.figures.density import UNIT, law_curve, law_of
from eigentrail.spectra.spectrum import Spectrum

_FRAMES = 36
_POINTS = 70
# What lies further out is told in words, so that the bulk stays readable.
_SPAN = 3.2


def density_steps(node: xr.DataTree) -> Int64[np.ndarray, " n"]:
    """Choose the steps that the slider has: analysed ones, first and last among them.

    Args:
        node: a layer of an evolution.

    Returns:
        At most 36 steps, evenly spread over the analysed ones that have a fit.
    """
    diagnosis = node["diagnosis"].to_dataset()
    steps: Int64[np.ndarray, " t"] = diagnosis["step"].values[np.isfinite(diagnosis["mp_sigma"].values)]
    if len(steps) <= _FRAMES:
        return steps
    # Half of them log-spaced as they are analysed, half evenly: training goes on long after its fast beginning.
    logs = np.linspace(0, len(steps) - 1, _FRAMES // 2)
    even = np.searchsorted(steps, np.linspace(steps[0], steps[-1], _FRAMES - _FRAMES // 2))
    return steps[np.unique(np.round(np.concatenate([logs, even])).astype(np.int64))]


def density_spectra(node: xr.DataTree) -> dict[int, Spectrum]:
    """Give the spectra at the steps that the slider has.

    Args:
        node: a layer of an evolution.

    Returns:
        A spectrum by step. Each fits its law of noise once, so that a figure and its table share them.
    """
    steps = density_steps(node)
    sigma = node.children["every"].to_dataset()["singular_values"].sel(step=steps).values
    rows, cols, matrices = (int(node.attrs[key]) for key in ("rows", "cols", "matrices"))
    return {
        int(step): Spectrum(one**2 / rows, rows, cols, matrices)
        for step, one in zip(steps, sigma, strict=True)
    }


def density_over_time(
    node: xr.DataTree,
    title: str = "Spectral density, step by step",
    spectra: Mapping[int, Spectrum] | None = None,
) -> go.Figure:
    """Draw the density of eigenvalues beside the law of noise, with a slider over steps.

    Args:
        node: a layer of an evolution.
        title: title of the figure.
        spectra: of `density_spectra`, where they are at hand.

    Returns:
        A figure with a frame for each step; it opens at the last one. All frames share their axes.
    """
    by_step = density_spectra(node) if spectra is None else spectra
    if not by_step:
        return style.empty(title, "No step of this layer has a Marchenko-Pastur fit.")
    shown = list(by_step.values())
    laws = [law_of(spectrum)[0] for spectrum in shown]
    top = max(law.threshold for law in laws if law is not None)
    largest = max(float(spectrum.eigenvalues[-1]) for spectrum in shown)
    end = min(largest * 1.03, _SPAN * top)
    edges = np.linspace(0.0, max(end, 1.05 * top), int(np.clip(3 * len(shown[0]) ** 0.5, 24, 64)) + 1)
    drawn = [_traces(spectrum, edges) for spectrum in shown]
    heights = np.concatenate([np.asarray(traces[0]["y"]) for traces, _ in drawn])
    ceiling = 1.1 * float(np.quantile(heights[heights > 0], 0.985)) if (heights > 0).any() else 1.0
    names = [f"step {step}" for step in by_step]
    frames = [
        {"name": name, "data": traces, "layout": {"annotations": [note]}, "traces": [0, 1, 2, 3]}
        for name, (traces, note) in zip(names, drawn, strict=True)
    ]
    made = style.build(
        drawn[-1][0],
        title=title,
        xaxis=style.axis(UNIT, range=[0, float(edges[-1])]),
        yaxis=style.axis("density (per unit of λ)", range=[0, ceiling]),
        bargap=0,
        annotations=[drawn[-1][1]],
        sliders=[_slider(names)],
        height=470,
        margin={"b": 96, "t": 52},
    )
    made.frames = frames
    return made


def _slider(names: list[str]) -> dict[str, Any]:
    still = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}, "transition": {"duration": 0}}
    return {
        "active": len(names) - 1,
        "steps": [
            {"label": n.removeprefix("step "), "method": "animate", "args": [[n], still]} for n in names
        ],
        "currentvalue": {"prefix": "step ", "font": {"size": 13}, "xanchor": "left"},
        "pad": {"t": 34, "b": 0},
        "len": 1.0,
        "font": {"size": 9},
        "ticklen": 3,
        "minorticklen": 0,
    }


def _traces(
    spectrum: Spectrum, edges: Float64[np.ndarray, " b"]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    values = np.asarray(spectrum.eigenvalues)
    law, _ = law_of(spectrum)
    heights, counts = style.histogram(values, edges)
    centres = (edges[1:] + edges[:-1]) / 2
    x = y = marks = np.zeros(0)
    threshold, spikes = np.nan, 0
    if law is not None:
        x, y = law_curve(law, values.size, _POINTS)
        threshold, spikes = law.threshold, law.spikes
        marks = np.asarray(law.spike_values)
    tall = float(max(heights.max(), y.max() if len(y) else 0.0))
    inside = marks[marks <= edges[-1]]
    beyond = values[values > edges[-1]]
    words = f"{spikes} spike{'' if spikes == 1 else 's'}"
    if len(beyond):
        words += f", {len(beyond)} beyond the right end (up to λ = {beyond[-1]:.3g})"
    hover = "λ ≈ %{x:.4g}<br>density %{y:.3g}<br>%{customdata} eigenvalues<extra></extra>"
    return [
        {
            "type": "bar",
            "x": centres,
            "y": heights,
            "width": np.diff(edges),
            "customdata": counts,
            "name": "eigenvalues",
            "marker": {"color": style.DATA, "opacity": 0.55, "line": {"width": 0}},
            "hovertemplate": hover,
        },
        style.line(x, y, "Marchenko-Pastur (null)", style.NULL, hoverinfo="skip"),
        style.line(
            np.full(2, threshold),
            np.array([0.0, tall]),
            "threshold (1%)",
            style.SPIKE,
            dash="dash",
            width=1.4,
            hoverinfo="skip",
        ),
        {
            "type": "scatter",
            "mode": "markers",
            "x": inside,
            "y": np.full(len(inside), 0.02 * tall),
            "name": "spikes",
            "marker": {"symbol": "triangle-down", "size": 9, "color": style.SPIKE},
            "hovertemplate": "spike λ = %{x:.4g}<extra></extra>",
        },
    ], style.note(words)


def density_table(node: xr.DataTree, spectra: Mapping[int, Spectrum] | None = None) -> pd.DataFrame:
    """Tabulate the eigenvalues behind `density_over_time`.

    Args:
        node: a layer of an evolution.
        spectra: of `density_spectra`, where they are at hand.

    Returns:
        `step`, `sigma` of the fitted law, `threshold`, `spikes`, and `lambda_max`.
    """
    rows = []
    for step, spectrum in (density_spectra(node) if spectra is None else spectra).items():
        law, _ = law_of(spectrum)
        rows.append(
            {
                "step": step,
                "sigma": None if law is None else law.sigma,
                "edge_low": None if law is None else law.edge_low,
                "edge_high": None if law is None else law.edge_high,
                "threshold": None if law is None else law.threshold,
                "spikes": None if law is None else law.spikes,
                "lambda_max": float(np.asarray(spectrum.eigenvalues)[-1]),
            }
        )
    return pd.DataFrame(rows)
