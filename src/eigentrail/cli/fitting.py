"""Tables that fit a terminal: whole columns are left out, the least telling first, and names break between words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

_BETWEEN = 2
#: A name longer than this breaks at its dots before a column is left out for it.
_NAME = 36


@dataclass(frozen=True)
class TableColumn:
    """A column of a printed table.

    Attributes:
        title: its heading.
        rank: 0 stays always; of the others, the largest is left out first.
        right: whether it is set to the right, as numbers are.
    """

    title: str
    rank: int = 0
    right: bool = False


def print_fitting(
    out: Console,
    columns: Sequence[TableColumn],
    rows: Sequence[Sequence[str]],
    styles: Sequence[str] | None = None,
) -> None:
    """Print a table with as many columns as there is room for, and say which were left out.

    Args:
        out: where it goes.
        columns: of the whole table; the first one of rank 0 that is not a mark holds names.
        rows: the cells.
        styles: of each row; None for none.
    """
    widths = [
        max([len(column.title), *(len(row[place]) for row in rows)]) for place, column in enumerate(columns)
    ]
    names = next(place for place, column in enumerate(columns) if column.rank == 0 and widths[place] > 2)
    broken = [[row[names]] for row in rows]
    kept = list(range(len(columns)))

    def needed() -> int:
        return sum(widths[place] for place in kept) + _BETWEEN * (len(kept) - 1)

    if needed() > out.width:
        broken = [_pieces(row[names], _NAME) for row in rows]
        widths[names] = max([len(columns[names].title), *(len(line) for lines in broken for line in lines)])
    while needed() > out.width and any(columns[place].rank for place in kept):
        kept.remove(max(kept, key=lambda place: columns[place].rank))
    if needed() > out.width:  # the names alone leave no room
        room = max(12, out.width - needed() + widths[names])
        broken = [_pieces(row[names], room) for row in rows]
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, _BETWEEN, 0, 0))
    for place in kept:
        table.add_column(
            columns[place].title,
            justify="right" if columns[place].right else "left",
            no_wrap=place != names,
            overflow="fold",
        )
    for number, row in enumerate(rows):
        cells: list[Text] = []
        for place in kept:
            text = "\n".join(broken[number]) if place == names else row[place]
            cells.append(Text(text, style=styles[number] if styles else ""))
        table.add_row(*cells)
    out.print(table)
    left_out = [column.title for place, column in enumerate(columns) if place not in kept]
    if left_out:
        out.print(
            Text(
                f"Left out at {out.width} characters: {', '.join(left_out)}; --format csv has all columns.",
                style="dim",
            )
        )


def _pieces(name: str, room: int) -> list[str]:
    """Break a name into lines, after dots, colons, slashes and underscores; a longer word stays whole.

    Args:
        name: the name.
        room: characters a line.

    Returns:
        The lines; one where it fits.
    """
    if len(name) <= room:
        return [name]
    lines = [""]
    for word in re.findall(r"[^.:/_]*[.:/_]?", name):
        if lines[-1] and len(lines[-1]) + len(word) > room:
            lines.append("")
        lines[-1] += word
    return lines
