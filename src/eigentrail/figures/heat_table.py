"""A number over two columns of a table, as a map of cells with the numbers in them."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from eigentrail._cells import cell
from eigentrail._untrusted import plotly_text
from eigentrail.figures import style

# Dark is small, in steps that are told apart in print as well.
_SCALE = "Viridis"
# So many cells at most have their number written in them.
_WRITTEN = 120


def heat_map(
    table: pd.DataFrame, x: str, y: str, value: str, *, title: str, interval: tuple[str, str] | None = None
) -> go.Figure:
    """Draw it.

    Args:
        table: a row for each cell.
        x: the column of the abscissa.
        y: the column of the ordinate.
        value: the column of the number.
        title: of the figure.
        interval: the columns with the ends of the number's interval; None for none.

    Returns:
        The figure; a cell without a row stays empty.
    """
    rows, columns = list(dict.fromkeys(table[y])), list(dict.fromkeys(table[x]))
    found = {(row[y], row[x]): row for row in table.to_dict(orient="records")}
    numbers: list[list[float | None]] = []
    told: list[list[str]] = []
    for row in rows:
        cells = [found.get((row, column)) for column in columns]
        numbers.append([None if one is None else float(one[value]) for one in cells])
        told.append(["" if one is None else _told(one, value, interval) for one in cells])
    trace: dict[str, Any] = {
        "type": "heatmap",
        "x": [_label(one) for one in columns],
        "y": [_label(one) for one in rows],
        "z": numbers,
        "colorscale": _SCALE,
        "colorbar": {"title": {"text": plotly_text(value)}},
        "customdata": told,
        "hovertemplate": f"{plotly_text(x)} %{{x}}, {plotly_text(y)} %{{y}}: %{{customdata}}<extra></extra>",
        "xgap": 1,
        "ygap": 1,
    }
    if len(rows) * len(columns) <= _WRITTEN:
        trace |= {"texttemplate": "%{z:.3~g}"}
    return style.build(
        [trace],
        title=plotly_text(title),
        xaxis=style.axis(plotly_text(x.replace("_", " ")), type="category"),
        yaxis=style.axis(plotly_text(y.replace("_", " ")), type="category"),
    )


def _label(value: Any) -> str:
    return plotly_text(cell(value))


def _told(row: dict[Any, Any], value: str, interval: tuple[str, str] | None) -> str:
    text = cell(row[value])
    if interval is None or pd.isna(row[interval[0]]):
        return text
    return f"{text} ({cell(row[interval[0]])} to {cell(row[interval[1]])})"
