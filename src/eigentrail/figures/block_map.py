"""A number of every layer at its place in the network: blocks from left to right, roles from top to bottom."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from eigentrail._untrusted import plotly_text
from eigentrail.figures import style
from eigentrail.figures.overview import labels, numbers
from eigentrail.weights.naming import block, within_block

_OUTSIDE = "outside"
_TICKS = 5


def has_blocks(table: pd.DataFrame) -> bool:
    """Tell whether a network has blocks that can be laid side by side.

    Args:
        table: a row per matrix, with `name`.

    Returns:
        Whether at least two blocks hold a layer of the same role.
    """
    cells = block_map_data(table, "name")
    cells = cells[cells["block"] != _OUTSIDE]
    return bool((cells.groupby("role")["block"].nunique() >= 2).any())


def block_map(table: pd.DataFrame, column: str, title: str, label: str, *, scale: float = 1.0) -> go.Figure:
    """Draw a positive number of every layer, on a logarithmic scale of colours.

    Args:
        table: a row per matrix, in the order of the network.
        column: which number.
        title: what it shows.
        label: of the scale of colours.
        scale: what the number is multiplied by (100 for per cent).

    Returns:
        A map whose cells open their layers.
    """
    data = block_map_data(table, column)
    roles, blocks = list(dict.fromkeys(data["role"])), list(dict.fromkeys(data["block"]))
    z = np.full((len(roles), len(blocks)), np.nan)
    about = np.full((*z.shape, 3), None, dtype=object)
    for one in data.to_dict(orient="records"):
        value = scale * one[column]
        cell = roles.index(one["role"]), blocks.index(one["block"])
        about[cell] = [one["row"], plotly_text(one["name"]), f"{value:.3g}"]
        z[cell] = np.log10(value) if value > 0 and np.isfinite(value) else np.nan
    known = z[np.isfinite(z)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    ticks = np.linspace(low, high, _TICKS) if high - low > 1e-6 else np.array([low])
    trace = {
        "type": "heatmap",
        "x": [plotly_text(one, 24) for one in _short(blocks)],
        "y": [plotly_text(one, 40) for one in roles],
        "z": z,
        "customdata": about,
        "colorscale": [[0, "#e9eef5"], [0.5, "#7fb0df"], [1, "#1d4e89"]],
        "colorbar": {
            "title": {"text": label, "side": "right"},
            "tickvals": ticks,
            "ticktext": [f"{float(f'{10**tick:.2g}'):.12g}" for tick in ticks],
            "thickness": 12,
            "outlinewidth": 0,
        },
        "hovertemplate": f"%{{customdata[1]}}<br>{label}: %{{customdata[2]}}<extra></extra>",
        "xgap": 1,
        "ygap": 1,
    }
    return style.build(
        [trace],
        title=title,
        xaxis=style.axis("block", type="category", showgrid=False),
        yaxis=style.axis("", type="category", autorange="reversed", showgrid=False),
        meta={"opens": "layer"},
        height=max(260, 120 + 26 * len(roles)),
    )


def block_map_data(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """Tabulate what `block_map` draws.

    Args:
        table: as given to `block_map`; a column `row` says where its rows stand in the page's table.
        column: which number.

    Returns:
        A row per matrix: `row`, `name`, `block`, `role` and the number.
    """
    names = labels(table, "name")
    ends = [within_block(name) for name in names]
    blocks = [block(name) or _OUTSIDE for name in names]
    rows = table["row"] if "row" in table else np.arange(len(table))
    found = pd.DataFrame({"row": np.asarray(rows), "name": names, "block": blocks, "role": ends})
    if column != "name":
        found[column] = numbers(table, column)
    return found


def _short(blocks: list[str]) -> list[str]:
    """Take from the names of blocks what they all begin with."""
    inside = [one for one in blocks if one != _OUTSIDE]
    first, last = (min(inside), max(inside)) if inside else ("", "")
    same = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), 0)
    cut = first.rfind(".", 0, same) + 1
    return [one if one == _OUTSIDE else one[cut:] for one in blocks]
