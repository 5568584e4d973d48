"""The distance of a matrix to low rank beside the bound on it."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go
import xarray as xr

from eigentrail._untrusted import plotly_text
from eigentrail.figures import style


def rank_bound_data(node: xr.Dataset) -> pd.DataFrame:
    """Tabulate both sides.

    Args:
        node: `distances` and `bounds` over `back`, with `ranks`.

    Returns:
        A row for each earlier step.
    """
    return node[["ranks", "distances", "bounds"]].to_dataframe().reset_index()


def rank_bound(node: xr.Dataset, title: str) -> go.Figure:
    """Draw both sides against the number of last steps.

    Args:
        node: as for `rank_bound_data`.
        title: the heading.

    Returns:
        The figure; a distance of zero, at full rank, is left out.
    """
    data = rank_bound_data(node)
    seen = data[data["distances"] > 0]
    hover = "rank %{customdata}: %{y:.3g}<extra>%{fullData.name}</extra>"
    return style.build(
        [
            style.line(
                seen["back"].tolist(), seen["distances"].tolist(), "distance to rank m B n", style.DATA,
                mode="lines+markers", customdata=seen["ranks"].tolist(), hovertemplate=hover,
            ),
            style.line(
                data["back"].tolist(), data["bounds"].tolist(), "bound of Lemma 3.2", style.NULL, dash="dash",
                customdata=data["ranks"].tolist(), hovertemplate=hover,
            ),
        ],
        title=plotly_text(title),
        xaxis=style.axis("last steps n", type="log"),
        yaxis=style.axis("share of ‖W‖", type="log"),
    )  # fmt: skip
