"""The page of a recipe that measures claims: each claim with its verdict over the seeds, and the tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from eigentrail._cells import cell
from eigentrail._citations import cited
from eigentrail.figures.of_table import TableFigure, draw
from eigentrail.findings import TOLD, ClaimResult
from eigentrail.report.claims import claims_section
from eigentrail.report.page import render
from eigentrail.report.sections import Card, Cards, Grid, Item, Page, Plot, Section

_MOST_ROWS = 60


def claim_page(
    title: str,
    source: str,
    claims: Sequence[ClaimResult],
    tables: Mapping[str, pd.DataFrame],
    figures: Sequence[TableFigure] = (),
    origin: str = "",
) -> str:
    """Write the page.

    Args:
        title: what was measured.
        source: how it was made.
        claims: the claims, decided over seeds.
        tables: by name.
        figures: what is drawn of them.
        origin: what the page is made of, see `Page`.

    Returns:
        One self-contained HTML document.
    """
    cards = tuple(
        Card(
            one.claim.statement,
            TOLD[one.verdict].capitalize(),
            f"{one.measured[0].upper()}{one.measured[1:]}.",
            cited(one.claim.source),
            str(one.verdict),
        )
        for one in sorted(claims, key=lambda one: list(TOLD).index(one.verdict))[:4]
    )
    answers: list[Item] = [Cards(cards)] if claims else []
    sections = [Section("answers", "Answers", tuple(answers), nav="Answers")]
    if claims:
        sections.append(claims_section(claims))
    if figures:
        plots = tuple(
            Plot(
                draw(one, tables[one.table]),
                tables[one.table],
                one.caption,
                f"{one.table}-{place}",
                wide=bool(one.panel),
            )
            for place, one in enumerate(figures, start=1)
        )
        sections.append(Section("measured", "What was measured", plots, nav="Figures"))
    for name, table in tables.items():
        sections.append(
            Section(
                f"table-{len(sections)}",
                name.replace("_", " ").capitalize(),
                (_grid(table),),
                nav=name,
                folded=True,
            )
        )
    return render(Page(title, source, tuple(sections), (), origin=origin))


def _grid(table: pd.DataFrame) -> Grid:
    shown = table.head(_MOST_ROWS)
    rows = tuple((tuple(cell(value) for value in row), None) for row in shown.itertuples(index=False))
    return Grid(tuple(str(column).replace("_", " ") for column in table.columns), rows)
