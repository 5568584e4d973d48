"""A figure that is drawn from a table by the names of its columns: what a study of claims shows of its numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from eigentrail._untrusted import plotly_text
from eigentrail.errors import OptionError
from eigentrail.figures import style

# So many curves at most are named in a legend.
_NAMED = 12
# So many panels at most have their names in one line.
_ACROSS = 3
# Pixels of a figure whose rows are words: around them, and of each.
_HEIGHT, _ROW = 150, 22


@dataclass(frozen=True)
class TableFigure:
    """How a table becomes a figure.

    Attributes:
        table: the table's name.
        title: of the figure.
        x: the column of the abscissa; where it holds words they stand below each other at the left instead, and the
            ordinate's numbers below them.
        y: the column of the ordinate.
        caption: how to read it.
        by: the columns whose values tell the curves apart; none for a single curve.
        colour: the column whose values give the curves' colours and names; empty for `by`.
        panel: the column for each value of which there is a panel; empty for a single one.
        interval: the columns with the ends of the ordinate's interval; none for no bars.
        grey: the column that chance, a theorem's bound or its law gives for the ordinate; empty for none.
        grey_name: what that is called.
        nulls: the values of `colour` whose curves are what chance gives: they are grey, each with a dash of its own.
        x_label: title of the abscissa; empty for the column's name.
        y_label: title of the ordinate; empty for the column's name.
        log: which axes are logarithmic.
        marks: whether the points are marked.
        lines: whether they are joined; points that are not are marked.
    """

    table: str
    title: str
    x: str
    y: str
    caption: str
    by: tuple[str, ...] = ()
    colour: str = ""
    panel: str = ""
    interval: tuple[str, str] | None = None
    grey: str = ""
    grey_name: str = ""
    nulls: tuple[str, ...] = ()
    x_label: str = ""
    y_label: str = ""
    log: Literal["", "x", "y", "xy"] = ""
    marks: bool = True
    lines: bool = True

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it needs."""
        asked = (self.x, self.y, *self.by, self.colour, self.panel, *(self.interval or ()), self.grey)
        return tuple(dict.fromkeys(name for name in asked if name))


def draw(figure: TableFigure, table: pd.DataFrame) -> go.Figure:
    """Draw a table.

    Args:
        figure: how.
        table: a row for each point, in the order in which a curve joins them.

    Returns:
        The figure; panels stand side by side and share what is at their left.

    Raises:
        OptionError: the table has not the columns.
    """
    if lacking := [name for name in figure.columns if name not in table]:
        raise OptionError(f"the table {figure.table} has no column {lacking[0]}: name one of {[*table]}.")
    words = not pd.api.types.is_numeric_dtype(table[figure.x])
    panels = [None] if not figure.panel else list(dict.fromkeys(table[figure.panel]))
    names = list(dict.fromkeys(name for _, _, name in _curves(figure, table)))
    colours = {name: style.CYCLE[place % len(style.CYCLE)] for place, name in enumerate(names)}
    traces: list[dict[str, Any]] = []
    layout: dict[str, Any] = {"margin": {"b": 66}} if figure.panel else {}
    told: set[str] = set()
    for place, panel in enumerate(panels):
        at = str(place + 1) if place else ""
        part = table if panel is None else table[table[figure.panel] == panel]
        axes = {"xaxis": f"x{at}", "yaxis": f"y{at}"}
        if figure.grey:
            grey = part.drop_duplicates(figure.x)
            label = figure.grey_name or figure.grey
            ends = grey[figure.x].tolist(), grey[figure.grey].tolist()
            traces.append(
                style.line(*(ends[::-1] if words else ends), label, style.NULL, dash="dash",
                           legendgroup=label, showlegend=label not in told, **axes)
            )  # fmt: skip
            told.add(label)
        for curve, rows, name in _curves(figure, part):
            traces.append(
                _curve(
                    figure, rows, curve, name, style.NULL if name in figure.nulls else colours[name], words
                )
                | axes
                | {"legendgroup": name, "showlegend": 1 < len(names) <= _NAMED and name not in told}
            )
            told.add(name)
        share = 1.0 / len(panels)
        layout[f"xaxis{at}"] = _axis(figure, "y" if words else "x") | {
            "domain": [
                place * share + 0.02 * bool(place),
                (place + 1) * share - 0.02 * (place + 1 < len(panels)),
            ],
            "anchor": f"y{at}",
        }
        layout[f"yaxis{at}"] = (_words(figure, table) if words else _axis(figure, "y")) | {"anchor": f"x{at}"}
        if place:
            layout[f"yaxis{at}"] |= {"matches": "y", "showticklabels": False, "title": {"text": ""}}
        if panel is not None:
            # Below its axis: above it the page has the legend.
            shown = plotly_text(str(panel))
            if len(panels) > _ACROSS:
                shown = shown.replace(", ", "<br>")
                layout["margin"] = {"b": 82}
            said = f"{layout[f'xaxis{at}']['title']['text']}<br><b>{shown}</b>"
            layout[f"xaxis{at}"]["title"] = {"text": said}
    if words:
        layout["height"] = _HEIGHT + _ROW * table[figure.x].nunique()
    first = {name: layout.pop(name) for name in ("xaxis", "yaxis")}
    return style.build(traces, title=plotly_text(figure.title), **first, **layout)


def _curves(figure: TableFigure, table: pd.DataFrame) -> Iterable[tuple[str, pd.DataFrame, str]]:
    """The rows of each curve, with what it is and the name that it shares with others of its colour."""
    if not figure.by:
        yield figure.y, table, figure.y
        return
    for key, rows in table.groupby(list(figure.by), sort=False):
        told = ", ".join(_said(column, value) for column, value in zip(figure.by, key, strict=True))
        yield told, rows, str(rows[figure.colour].iloc[0]) if figure.colour else told


def _said(column: str, value: Any) -> str:
    return str(value) if isinstance(value, str) else f"{column} {value:g}"


def _curve(
    figure: TableFigure, rows: pd.DataFrame, curve: str, name: str, colour: str, words: bool
) -> dict[str, Any]:
    said = "%{x:.4g}, %{y}" if words else "%{y:.4g} at %{x:.4g}"
    x, y = rows[figure.x].tolist(), rows[figure.y].tolist()
    trace = style.line(
        y if words else x,
        [plotly_text(str(word)) for word in x] if words else y,
        plotly_text(name),
        colour,
        width=1.5,
        dash=style.DASHES[1 + figure.nulls.index(name) % 3] if name in figure.nulls else "solid",
        mode=("lines+markers" if figure.marks else "lines") if figure.lines else "markers",
        hovertemplate=f"{plotly_text(curve)}: {said}<extra></extra>",
    )
    if figure.interval is not None:
        value = rows[figure.y].to_numpy(dtype=np.float64)
        low, high = (rows[end].to_numpy(dtype=np.float64) for end in figure.interval)
        trace["error_x" if words else "error_y"] = {
            "type": "data", "symmetric": False, "array": (high - value).tolist(),
            "arrayminus": (value - low).tolist(),
            "thickness": 1.2, "width": 3, "color": colour,
        }  # fmt: skip
    return trace


def _axis(figure: TableFigure, which: Literal["x", "y"]) -> dict[str, Any]:
    label = getattr(figure, f"{which}_label") or getattr(figure, which)
    return style.axis(label, **({"type": "log"} if which in figure.log else {}))


def _words(figure: TableFigure, table: pd.DataFrame) -> dict[str, Any]:
    rows = [plotly_text(str(word)) for word in dict.fromkeys(table[figure.x])]
    return style.axis(
        figure.x_label, type="category", categoryorder="array", categoryarray=rows, autorange="reversed"
    )
