"""Tables that fit a terminal: whole columns are left out, the least telling first; no value and no word is ever cut."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from eigentrail._text import printable

_BETWEEN = 2
#: A name longer than this breaks at its dots before a column is left out for it.
_NAME = 36
#: Fewer characters a line than this make a sentence hard to read.
SENTENCE = 32
#: A beginning that all names share is said once where it is at least so long.
_PREFIX = 6


@dataclass(frozen=True)
class TableColumn:
    """A column of a printed table.

    Attributes:
        title: its heading, which may take several lines, one word each at the least.
        rank: 0 stays always; of the others, the largest is left out first.
        right: whether it is set to the right, as numbers are.
        prose: fewest characters a line where its cells are words that may take several lines; 0 for values, which
            take one.
    """

    title: str
    rank: int = 0
    right: bool = False
    prose: int = 0


def print_fitting(
    out: Console,
    columns: Sequence[TableColumn],
    rows: Sequence[Sequence[str]],
    styles: Sequence[str] | None = None,
    *,
    elsewhere: str = "--format json",
) -> None:
    """Print a table with as many columns as there is room for, and say which were left out.

    Where even the columns that stay always need more room than there is, lines are longer than the terminal: a value
    that wraps can be read, one that was cut cannot.

    Args:
        out: where it goes.
        columns: of the whole table; the first one of rank 0 that is not a mark holds names. Without any title there
            is no line of headings.
        rows: the cells.
        styles: of each row; None for none.
        elsewhere: which option gives the columns that are left out.
    """
    if not rows:
        return
    cells = [[printable(cell) for cell in row] for row in rows]
    laid = _Layout(columns, cells)
    prefix = laid.fit(out.width)
    if prefix:
        out.print(Text(f"All names begin with {prefix}", style="dim"), soft_wrap=True)
    if any(column.title for column in columns):
        heading = [laid.lines(place, column.title, heading=True) for place, column in enumerate(columns)]
        _print_row(out, laid, heading, "bold", from_below=True)
    for number, row in enumerate(laid.cells):
        split = [laid.lines(place, cell) for place, cell in enumerate(row)]
        _print_row(out, laid, split, styles[number] if styles else "")
    left_out = [column.title for place, column in enumerate(columns) if place not in laid.kept]
    if left_out:
        told = f"Not shown at {out.width} columns: {', '.join(left_out)}; a wider terminal or {elsewhere} has them."
        out.print(Text(told, style="dim"))


class _Layout:
    """Which columns of a table are kept, and how wide each is."""

    def __init__(self, columns: Sequence[TableColumn], cells: list[list[str]]) -> None:
        self.columns, self.cells = columns, cells
        self.kept = list(range(len(columns)))
        self.widths = [self._natural(place) for place in self.kept]
        self.names = next(
            (p for p, c in enumerate(columns) if c.rank == 0 and not c.prose and self.widths[p] > 2), None
        )

    def _natural(self, place: int) -> int:
        # A heading breaks between its words: it takes no more room than its longest one.
        heading = max((cell_len(word) for word in self.columns[place].title.split()), default=0)
        return max([heading, *(cell_len(row[place]) for row in self.cells)])

    def _least(self, place: int) -> int:
        """The room below which a column of sentences is not readable."""
        words = [cell_len(word) for row in self.cells for word in row[place].split()]
        return min(self.widths[place], max([self.columns[place].prose, *words]))

    def fit(self, room: int) -> str:
        """Choose columns and widths.

        Args:
            room: characters of a line.

        Returns:
            What was taken from the beginning of all names; empty for nothing.
        """
        natural = list(self.widths)
        for place, column in enumerate(self.columns):
            if column.prose:
                self.widths[place] = self._least(place)
        prefix = ""
        if self._needed() > room and self.names is not None:
            prefix = self._take_prefix(self.names)
            self._break_names(self.names, _NAME)
        while self._needed() > room and any(self.columns[place].rank for place in self.kept):
            self.kept.remove(max(self.kept, key=lambda place: self.columns[place].rank))
        if self._needed() > room and self.names is not None:
            self._break_names(self.names, max(12, room - self._needed() + self.widths[self.names]))
        for place in self.kept:  # what is left goes to the sentences
            if self.columns[place].prose:
                spare = max(0, room - self._needed())
                self.widths[place] = min(natural[place], self.widths[place] + spare)
        return prefix

    def _needed(self) -> int:
        return sum(self.widths[place] for place in self.kept) + _BETWEEN * (len(self.kept) - 1)

    def _take_prefix(self, place: int) -> str:
        names = [row[place] for row in self.cells]
        first, last = min(names), max(names)  # what the ends of the alphabet share, all share
        same = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), 0)
        shared = first[: max(first.rfind(".", 0, same), first.rfind("/", 0, same)) + 1]
        if len(shared) < _PREFIX or any(name == shared for name in names):
            return ""
        for row in self.cells:
            row[place] = row[place][len(shared) :]
        self.widths[place] = self._natural(place)
        return shared

    def _break_names(self, place: int, room: int) -> None:
        broken = ["\n".join(_pieces(row[place].replace("\n", ""), room)) for row in self.cells]
        for row, name in zip(self.cells, broken, strict=True):
            row[place] = name
        pieces = [piece for name in broken for piece in name.split("\n")]
        heading = max((len(word) for word in self.columns[place].title.split()), default=0)
        self.widths[place] = max([heading, *map(cell_len, pieces)])

    def lines(self, place: int, cell: str, *, heading: bool = False) -> list[str]:
        """Break a cell into its lines.

        Args:
            place: of its column.
            cell: its text.
            heading: whether it is the column's title.

        Returns:
            At least one line.
        """
        if heading or self.columns[place].prose:
            width = max(1, self.widths[place])
            return textwrap.wrap(cell, width, break_long_words=False, break_on_hyphens=False) or [""]
        return cell.split("\n")


def _print_row(
    out: Console, laid: _Layout, cells: Sequence[Sequence[str]], style: str, *, from_below: bool = False
) -> None:
    height = max(len(cells[place]) for place in laid.kept)
    for line in range(height):
        text = ""
        for place in laid.kept:
            above = height - len(cells[place]) if from_below else 0
            piece = cells[place][line - above] if above <= line < above + len(cells[place]) else ""
            room = " " * max(0, laid.widths[place] - cell_len(piece))
            text += (room + piece if laid.columns[place].right else piece + room) + " " * _BETWEEN
        out.print(Text(text.rstrip(), style=style), soft_wrap=True)


def _pieces(name: str, room: int) -> list[str]:
    """Break a name into lines, after dots, colons and slashes only; a longer word stays whole.

    Args:
        name: the name.
        room: characters a line.

    Returns:
        The lines; one where it fits.
    """
    if cell_len(name) <= room:
        return [name]
    lines = [""]
    for word in re.findall(r"[^.:/]*[.:/]?", name):
        if lines[-1] and cell_len(lines[-1]) + cell_len(word) > room:
            lines.append("")
        lines[-1] += word
    return lines
