"""Sections into one self-contained HTML file that works from disk, without network, and draws figures on sight."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from eigentrail._cells import ABSENT, cell
from eigentrail._citations import citations, cited
from eigentrail._files import write_bytes
from eigentrail._untrusted import csv_text, json_for_script
from eigentrail.errors import OptionError
from eigentrail.figures import style
from eigentrail.report.glossary import GROUPS, lookup
from eigentrail.report.packing import CURVE_POINTS, Packer, data_piece, figure_json, squeeze
from eigentrail.report.sections import DataTable, Deck, Item, Page, Plot, Section, frame_rows, whole_rows
from eigentrail.report.tables import reason, table_piece
from eigentrail.report.templates import environment, text

ALL_ROWS = 1_000_000


def render(page: Page) -> str:
    """Write a page as HTML.

    Args:
        page: what it shows.

    Returns:
        One HTML document with everything inside: script, style, figures, data. Its content security policy forbids the
        network and every script but its own two.
    """
    packer = Packer()
    sections = [_section(section, packer, "main", ALL_ROWS, CURVE_POINTS) for section in page.sections]
    packer.close()
    decks = [i for s in page.sections for i in s.items if isinstance(i, Deck)]
    for deck in decks:
        for number in range(len(deck.names)):
            _entry(deck, number, packer)
    packer.close()
    explained = {term: _explain(term) for term in page.terms}
    script = text("page.js")
    plotly, packed = _plotly()
    facts = {
        "where": packer.where,
        "entries": sum(len(d.names) for d in decks),
        "templates": {"light": _template(dark=False), "dark": _template(dark=True)},
        "glossary": explained,
    }
    return (
        environment()
        .get_template("page.html.j2")
        .render(
            page=page,
            sections=sections,
            groups=GROUPS,
            glossary=[(term, explained[term]) for term in page.terms if lookup(term).definition],
            citations=citations(" ".join(_words([sections, explained]))),
            names=decks[0].names if decks else (),
            policy=_policy(script, plotly),
            css=Markup(text("page.css")),
            script=Markup(script),
            plotly=packed,
            chunks=packer.chunks,
            facts=Markup(json_for_script(facts)),
            version=version("eigentrail"),
        )
    )


def write_page(html: str, path: str | os.PathLike[str]) -> Path:
    """Write a page so that a reader sees the old file or the new one, never half of it.

    Args:
        html: from `render`, `inspection_page` or `comparison_page`.
        path: where; its folder is made if needed.

    Returns:
        The path.

    Raises:
        OptionError: when the path is a folder.
    """
    target = Path(path)
    if target.is_dir():
        raise OptionError(f"{target} is a folder; name a file for the page, such as {target / 'report.html'}")
    return write_bytes(target, lambda file: file.write(html.encode()))


@cache
def _plotly() -> tuple[str, str]:
    """Plotly's script, and packed as pages hold it: several pages of one process pack it once."""
    script = get_plotlyjs()
    return script, squeeze(script)


def _words(shown: Any) -> Iterator[str]:
    """Give the texts of what a page shows: sections, the items in them, the headings and notes of figures."""
    if isinstance(shown, str):
        yield shown
    elif isinstance(shown, go.Figure):
        yield from (str(shown.layout.title.text), *(str(note.text) for note in shown.layout.annotations))
    elif isinstance(shown, dict):
        for one in shown.values():
            yield from _words(one)
    elif isinstance(shown, (list, tuple)):
        for one in shown:
            yield from _words(one)
    elif is_dataclass(shown):
        for one in fields(shown):
            yield from _words(getattr(shown, one.name))


def _policy(*scripts: str) -> str:
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts
    )
    # Plotly sets styles on elements and saves pictures through blob: and data: addresses; nothing else is let in.
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def _template(*, dark: bool) -> dict[str, Any]:
    found: dict[str, Any] = (style.DARK if dark else style.LIGHT).to_plotly_json()
    return found


def _explain(term: str) -> dict[str, str]:
    entry = lookup(term)
    return {
        "label": entry.label,
        "definition": entry.definition,
        "units": entry.units,
        "source": cited(entry.source),
        "chance": entry.chance,
        "absent": entry.absent,
    }


def _section(section: Section, packer: Packer, prefix: str, max_rows: int, max_points: int) -> dict[str, Any]:
    items = []
    for number, item in enumerate(whole_rows(section.items)):
        items.append(_item(item, packer, f"{prefix}-{section.key}-{number}", max_rows, max_points))
    return {
        "key": section.key,
        "title": section.title,
        "lead": section.lead,
        "nav": section.nav or section.title,
        "folded": section.folded,
        "parts": items,
    }


def _item(item: Item, packer: Packer, key: str, max_rows: int, max_points: int) -> dict[str, Any]:
    if isinstance(item, Plot):
        packer.add(key, {"figure": figure_json(item.figure, max_points), "file": item.stem})
        packer.add(f"{key}-data", data_piece(item, max_rows), "data")
        kept = min(len(item.data), max_rows)
        return {"sort": "plot", "key": key, "item": item, "total": len(item.data), "kept": kept}
    if isinstance(item, DataTable):
        packer.add("table", table_piece(item), "table")
        packer.add("table-csv", {"file": f"{item.stem}.csv", "text": csv_text(item.frame)}, "table")
        return {"sort": "table", "item": item, **_static_table(item)}
    return {"sort": type(item).__name__.lower(), "item": item}


def _static_table(table: DataTable) -> dict[str, Any]:
    shown = [c for c in table.essentials if c in table.frame]
    rows = frame_rows(table.frame)
    numbers = {str(c): i for i, c in enumerate(table.frame.columns)}
    body = [{"id": i, "cells": [_static_cell(rows[i], c) for c in shown]} for i in table.order]
    choices = {
        c: list(dict.fromkeys(cell(r[c]) for r in rows if cell(r[c]) != ABSENT))
        for c in table.filters
        if c in table.frame
    }
    columns = [{"key": c, "label": lookup(c).label, "number": numbers[c]} for c in shown]
    groups = [g for g in GROUPS if any(lookup(str(c)).group == g for c in table.frame.columns)]
    return {
        "columns": columns,
        "rows": body,
        "choices": choices,
        "labels": {c: lookup(c).label for c in choices},
        "groups": groups,
    }


def _static_cell(row: dict[str, Any], column: str) -> dict[str, str]:
    shown = cell(row[column])
    return {"key": column, "text": shown, "why": reason(row, column) if shown == ABSENT else ""}


def _entry(deck: Deck, number: int, packer: Packer) -> None:
    section = deck.make(number)
    described = _section(section, packer, f"e{number}", deck.max_rows, deck.max_points)
    html = environment().get_template("entry.html.j2").render(section=described)
    packer.add(f"entry-{number}", {"html": html}, "entries")
