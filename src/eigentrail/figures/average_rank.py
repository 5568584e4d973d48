"""The average rank of a network over its training."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go
import xarray as xr

from eigentrail._untrusted import plotly_text
from eigentrail.figures import style


def average_rank_data(ranks: xr.Dataset) -> pd.DataFrame:
    """Tabulate it.

    Args:
        ranks: `average_rank` over [step, eps].

    Returns:
        A row for each step and eps.
    """
    return ranks["average_rank"].to_dataframe().reset_index()


def average_rank(ranks: xr.Dataset, title: str) -> go.Figure:
    """Draw it over epochs, or over steps where epochs are not known.

    Args:
        ranks: as for `average_rank_data`, with `largest` and `matrices` as attributes.
        title: the heading.

    Returns:
        A curve for each share of the norm above which singular values count, and the full rank.
    """
    epochs = "epoch" in ranks.coords and bool(ranks["epoch"].notnull().all())
    x = ranks["epoch" if epochs else "step"].values.tolist()
    traces = [
        style.line(
            x, ranks["average_rank"].sel(eps=eps).values.tolist(), f"σ > {eps:g} ‖W‖",
            style.CYCLE[place % len(style.CYCLE)], hovertemplate="%{y:.4g} at %{x:g}<extra>%{fullData.name}</extra>",
        )
        for place, eps in enumerate(ranks["eps"].values.tolist())
    ]  # fmt: skip
    full = float(ranks.attrs["largest"])
    traces.append(style.line([x[0], x[-1]], [full, full], "full rank", style.NULL, dash="dash"))
    return style.build(
        traces,
        title=plotly_text(title),
        xaxis=style.axis("epoch" if epochs else "step"),
        yaxis=style.axis(f"mean rank of {ranks.attrs['matrices']} matrices", rangemode="tozero"),
    )
