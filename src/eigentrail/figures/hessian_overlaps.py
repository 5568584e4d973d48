"""Overlaps of a Hessian's eigenvectors with another basis, in multiples of chance."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import xarray as xr

from eigentrail.figures import style


def overlap_map(data: xr.Dataset, title: str, other: str) -> go.Figure:
    """Draw an overlap matrix whose cells are blocks of indices.

    Args:
        data: `multiple` [row, column] with the first indices `i` and `j` of the blocks, and how many there are of
            either as the attributes `rows` and `columns`.
        title: title of the figure.
        other: what the columns are.

    Returns:
        A heat map on logarithmic axes of ranks; the colour is logarithmic, white at chance.
    """
    i, j = data["i"].values, data["j"].values
    rows, columns = int(data.attrs["rows"]), int(data.attrs["columns"])
    multiple = data["multiple"].values
    reach = float(np.clip(np.log10(multiple.max()), 0.5, 3.0))
    # Cells have edges: a block from rank a to b - 1 reaches from a - 1/2 to b - 1/2.
    x = np.append(j + 1, columns + 1) - 0.5
    y = np.append(i + 1, rows + 1) - 0.5
    ticks = [t for t in (-2, -1, 0, 1, 2, 3) if abs(t) <= reach]
    trace = {
        "type": "heatmap",
        "x": x,
        "y": y,
        "z": np.clip(np.log10(np.maximum(multiple, 1e-3)), -reach, reach),
        "customdata": np.dstack([multiple, *np.meshgrid(i + 1, j + 1, indexing="ij")]),
        "zmin": -reach,
        "zmax": reach,
        "colorscale": [[0, "#3f87cf"], [0.5, "#f4f4f2"], [1, "#b5400f"]],
        "colorbar": {
            "title": {"text": "× chance", "side": "right"},
            "tickvals": ticks,
            "ticktext": [f"{10.0**t:g}" for t in ticks],
            "thickness": 12,
        },
        "hovertemplate": "eigenvector %{customdata[1]}<br>"
        + other
        + " %{customdata[2]}<br>%{customdata[0]:.3g} × chance<extra></extra>",
    }
    return style.build(
        [trace],
        title=title,
        xaxis=style.axis(f"rank of the {other}", type="log", dtick=1),
        yaxis=style.axis("rank of the Hessian eigenvalue", type="log", dtick=1, autorange="reversed"),
    )


def overlap_data(data: xr.Dataset) -> pd.DataFrame:
    """Tabulate an overlap map.

    Args:
        data: as given to `overlap_map`.

    Returns:
        A row per block: its first ranks `eigenvector` and `other`, and `multiple_of_chance`.
    """
    i, j = np.meshgrid(data["i"].values + 1, data["j"].values + 1, indexing="ij")
    return pd.DataFrame(
        {
            "eigenvector": i.ravel(),
            "other": j.ravel(),
            "multiple_of_chance": data["multiple"].values.ravel(),
        }
    )
