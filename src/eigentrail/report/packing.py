"""Figures and their data as compact text inside a page: thinned to what a screen shows, gzipped, decoded on sight."""

from __future__ import annotations

import base64
import gzip
import math
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from eigentrail._untrusted import csv_cell, json_for_script
from eigentrail.figures import style
from eigentrail.report.sections import Plot

FIGURE_DIGITS, DATA_DIGITS = 4, 7
CURVE_POINTS = 300
CHUNK_BYTES = 300_000


class Packer:
    """Collects pieces of a page under keys and packs neighbours together.

    Pieces of one chunk share their repeated text (axes, names, hover texts), which is most of a small figure. Figures
    and the data behind them go into different chunks, so that what is alike stays within reach of the compression.
    """

    def __init__(self) -> None:
        self.chunks: list[str] = []
        self.where: dict[str, int] = {}
        self._open: dict[str, dict[str, str]] = {}

    def add(self, key: str, piece: dict[str, Any], stream: str = "figures") -> None:
        """Add a piece.

        Args:
            key: its name in the page.
            piece: anything JSON can write.
            stream: pieces of one stream are packed with each other.
        """
        texts = self._open.setdefault(stream, {})
        texts[key] = json_for_script(piece)
        if sum(map(len, texts.values())) > CHUNK_BYTES:
            self._close(stream)

    def close(self) -> None:
        """Pack what was added since the last time."""
        for stream in list(self._open):
            self._close(stream)

    def _close(self, stream: str) -> None:
        texts = self._open.pop(stream)
        self.where |= dict.fromkeys(texts, len(self.chunks))
        body = ",".join(f"{json_for_script(k)}:{v}" for k, v in texts.items())
        self.chunks.append(squeeze(f"{{{body}}}"))


def squeeze(text: str) -> str:
    """Compress text for a page.

    Args:
        text: any text.

    Returns:
        Base64 of the gzipped UTF-8, the same on every run.
    """
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()


def unsqueeze(text: str) -> str:
    """Undo `squeeze`.

    Args:
        text: what `squeeze` returned.

    Returns:
        The text.
    """
    return gzip.decompress(base64.b64decode(text)).decode()


def data_piece(plot: Plot, max_rows: int) -> dict[str, Any]:
    """Write the data behind a figure as JSON values.

    Args:
        plot: the figure.
        max_rows: longest table; see `thin_rows`.

    Returns:
        `columns`, `values` by column and the name of the `file`.
    """
    kept = thin_rows(plot.data, max_rows)
    values = [[_plain_cell(v) for v in kept[c].tolist()] for c in kept.columns]
    return {"columns": [csv_cell(c) for c in kept.columns], "values": values, "file": f"{plot.stem}.csv"}


def figure_json(figure: go.Figure, points: int = CURVE_POINTS) -> dict[str, Any]:
    """Write a figure compactly: four digits, long curves thinned to what can be seen.

    Args:
        figure: any figure.
        points: how many points of a curve to keep, at most.

    Returns:
        `data`, `layout` and, where there are some, `frames`. The template is left out (the page has its own, light and
        dark), and so is the title (it is the page's heading), whose room the legend takes; one that the figure puts
        elsewhere stays there.
    """
    # Part by part, because the whole figure's own export turns arrays into base64, which neither thins nor packs.
    layout = figure.layout.to_plotly_json()
    layout.pop("template", None)
    layout.pop("title", None)
    legend = layout.get("legend", {})
    if style.BELOW.items() <= legend.items():
        legend = {k: v for k, v in legend.items() if k not in style.BELOW}
    layout["legend"] = legend
    logs = {f"{k[0]}{k[5:]}" for k, v in layout.items() if k[1:5] == "axis" and dict(v).get("type") == "log"}
    traces = [_plain(thin_curve(trace.to_plotly_json(), logs, points)) for trace in figure.data]
    found = {"data": traces, "layout": _plain(layout)}
    if figure.frames:
        found["frames"] = [_plain(frame.to_plotly_json()) for frame in figure.frames]
    return found


def thin_curve(
    trace: dict[str, Any], logs: set[str] | None = None, points: int = CURVE_POINTS
) -> dict[str, Any]:
    """Keep the points of a long curve that a screen can tell apart.

    Points are taken at equal steps of length along the drawn curve, so that bends and single points far out survive
    where the eye would see them, and the crowded parts lose points.

    Args:
        trace: a Plotly trace; only scatter traces of numbers longer than `points` are changed.
        logs: the axes that are logarithmic, as traces name them ("x", "y2").
        points: how many to keep, at most.

    Returns:
        The trace, thinned.
    """
    x, y = trace.get("x"), trace.get("y")
    if trace.get("type") != "scatter" or not isinstance(x, np.ndarray) or not isinstance(y, np.ndarray):
        return trace
    if len(x) <= points or x.dtype.kind not in "fiu" or y.dtype.kind not in "fiu":
        return trace
    logs = logs or set()
    length = np.zeros(len(x))
    for values, name in ((x, trace.get("xaxis", "x")), (y, trace.get("yaxis", "y"))):
        v = values.astype(np.float64)
        if name in logs:
            v = np.log(np.where(v > 0, v, np.nan))
        v = np.where(np.isfinite(v), v, np.nanmin(v) if np.isfinite(v).any() else 0.0)
        length[1:] += np.abs(np.diff(v)) / (float(np.ptp(v)) or 1.0)
    along = np.cumsum(length)
    kept = np.unique(np.searchsorted(along, np.linspace(0, along[-1], points)))
    kept = np.unique(np.concatenate([[0], kept[kept < len(x)], [len(x) - 1]]))
    return {k: v[kept] if isinstance(v, np.ndarray) and len(v) == len(x) else v for k, v in trace.items()}


def thin_rows(table: pd.DataFrame, limit: int) -> pd.DataFrame:
    """Shorten a long table, keeping its end complete.

    Args:
        table: sorted so that what matters most comes last (the largest eigenvalues).
        limit: number of rows to keep.

    Returns:
        The table itself if it is short enough, else its last third of `limit` rows and evenly spaced rows before.
    """
    n = len(table)
    if n <= limit:
        return table
    tail = limit // 3
    before = np.unique(np.linspace(0, n - tail - 1, max(limit - tail, 1)).astype(int))
    return table.iloc[np.concatenate([before, np.arange(n - tail, n)])]


def row_limit(sizes: list[int], cells: int, budget: int) -> int:
    """Choose the longest table that keeps a page within its size.

    Args:
        sizes: number of rows that each entry would have.
        cells: cells per row, over all tables of an entry.
        budget: number of cells that the page may hold.

    Returns:
        The largest limit whose total stays within the budget, at least 50; a million if everything fits.
    """
    low, high = 50, max([50, *sizes])
    if sum(sizes) * cells <= budget:
        return 1_000_000
    while low < high:
        middle = (low + high + 1) // 2
        if sum(min(s, middle) for s in sizes) * cells <= budget:
            low = middle
        else:
            high = middle - 1
    return low


def curve_points(entries: int) -> int:
    """Choose how fine the curves of a deck are.

    Args:
        entries: number of its entries.

    Returns:
        300 points for a curve of a small deck, down to 72 for hundreds of entries.
    """
    return int(np.clip(20_000 // max(entries, 1), 72, CURVE_POINTS))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "f":
            return (
                [_round(v, FIGURE_DIGITS) for v in value.ravel().tolist()]
                if value.ndim == 1
                else [_plain(v) for v in value]
            )
        return [_plain(v) for v in value.tolist()]
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return _round(value, 7)
    return value


def _plain_cell(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return _round(value, DATA_DIGITS)
    if value is None or isinstance(value, (bool, int)):
        return value
    return csv_cell(value)


def _round(value: float, digits: int) -> float | int | None:
    if not math.isfinite(value):
        return None
    rounded = float(f"{value:.{digits}g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e6 else rounded
