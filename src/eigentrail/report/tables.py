"""A table of matrices as HTML, whole for the page and compact for a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from eigentrail._cells import ABSENT, cell, is_absent
from eigentrail.metrics.framework.registry import columns
from eigentrail.report.glossary import lookup
from eigentrail.report.sections import DataTable, frame_rows
from eigentrail.report.templates import environment

#: Of a table of matrices, what there is room for.
ESSENTIALS = (
    *("name", "kind", "shape", "phase"),
    *(one.name for one in columns().values() if one.shown and one.name != "phase"),
    "warnings",
)
COMPARISON_ESSENTIALS = (
    "name",
    "kind",
    "relative_change",
    "update_spikes",
    "update_stable_rank",
    "alpha_a",
    "alpha_b",
    "spikes_a",
    "spikes_b",
    "phase_a",
    "phase_b",
    "warnings",
)


def warnings_of(row: dict[str, Any]) -> list[str]:
    """Read the warnings of a row.

    Args:
        row: a row of the table; `warnings` is a list of sentences or one text with `; ` between them.

    Returns:
        The sentences, none for a row without.
    """
    found = row.get("warnings")
    if is_absent(found):
        return []
    if isinstance(found, str):
        return [w for w in found.split("; ") if w]
    return [str(w) for w in found]  # type: ignore[union-attr]


def reason(row: dict[str, Any], column: str) -> str:
    """Say why a cell is empty.

    Args:
        row: a row of the table.
        column: the empty cell's column.

    Returns:
        The glossary's standing reason, else the row's warnings, else a plain statement.
    """
    standing = lookup(column).absent
    said = "; ".join(warnings_of(row)) if column != "warnings" else ""
    if column in {"aliases", "note", "warnings"}:
        return "none"
    return standing or said or "not computed for this matrix"


def table_piece(table: DataTable) -> dict[str, Any]:
    """Write the whole table as JSON values for the page's script.

    Args:
        table: the table.

    Returns:
        `columns` (key, label, group), `cells` as people read them, `raw` to sort by, `why` for the empty ones.
    """
    rows = frame_rows(table.frame)
    columns = [str(c) for c in table.frame.columns]
    return {
        "columns": [{"key": c, "label": lookup(c).label, "group": lookup(c).group} for c in columns],
        "cells": [[cell(r[c]) for c in columns] for r in rows],
        "raw": [[_sortable(r[c]) for c in columns] for r in rows],
        "why": ["; ".join(warnings_of(r)) for r in rows],
    }


def _sortable(value: Any) -> float | int | str | None:
    if is_absent(value):
        return None
    if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        value = value.item()
    if isinstance(value, bool):
        return int(value)
    return value if isinstance(value, (int, float)) else cell(value)


def table_html(table: pd.DataFrame, columns: Sequence[str] | None = None, limit: int = 30) -> str:
    """Write a compact HTML table as a notebook shows it.

    Args:
        table: a row per matrix.
        columns: which to show; the essential ones the table has if None.
        limit: how many rows to show.

    Returns:
        HTML without script that needs no style sheet of the page; all text is escaped.
    """
    wanted = columns if columns is not None else (*ESSENTIALS, *COMPARISON_ESSENTIALS)
    shown = [c for c in dict.fromkeys(wanted) if c in table]
    rows = frame_rows(table)
    order = range(min(limit, len(table)))
    cells = [[_compact(rows[i], c) for c in shown] for i in order]
    heads = [(lookup(c).label, lookup(c).definition) for c in shown]
    more = len(table) - len(order)
    return environment().get_template("compact.html.j2").render(heads=heads, rows=cells, more=more)


def _compact(row: dict[str, Any], column: str) -> tuple[str, str]:
    text = cell(row[column])
    return text, reason(row, column) if text == ABSENT else ""
