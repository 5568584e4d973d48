"""What a page is made of: a page is a list of sections, a section a list of prose, facts, figures, listings and tables.

Everything here is plain data without markup; `eigentrail.report.page` turns it into HTML. A `Deck` is the one item that
holds sections itself, of which the reader opens one at a time: the matrices of a checkpoint, or whatever else a page
has hundreds of.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Union

import pandas as pd
import plotly.graph_objects as go


@dataclass(frozen=True)
class Prose:
    """Paragraphs of plain text.

    Attributes:
        paragraphs: each is escaped.
    """

    paragraphs: tuple[str, ...]


@dataclass(frozen=True)
class Fact:
    """One number with its name.

    Attributes:
        term: the glossary's column that explains it; empty for none.
        label: its name.
        value: as people read it.
        why: why there is no value, or a remark; empty for none.
    """

    term: str
    label: str
    value: str
    why: str = ""


@dataclass(frozen=True)
class Facts:
    """A block of numbers.

    Attributes:
        title: heading of the block; empty for none.
        facts: the numbers.
    """

    title: str
    facts: tuple[Fact, ...]


@dataclass(frozen=True)
class Plot:
    """A figure that is drawn when it is looked at, and the data behind it.

    Attributes:
        figure: its title becomes the heading on the page; sliders and frames are kept.
        data: what the download gives.
        caption: how to read it.
        stem: name of the downloaded file without its ending.
        wide: spans the page instead of sharing a row.
    """

    figure: go.Figure
    data: pd.DataFrame
    caption: str
    stem: str
    wide: bool = False

    @property
    def title(self) -> str:
        """The figure's own title."""
        return str(self.figure.layout.title.text or "")


@dataclass(frozen=True)
class Listing:
    """Names with a text each.

    Attributes:
        headings: of the two columns.
        rows: name, text, and the number of the deck's entry that the name opens, or None.
    """

    headings: tuple[str, str]
    rows: tuple[tuple[str, str, int | None], ...]


@dataclass(frozen=True)
class DataTable:
    """The table to sort and filter; each row opens the deck's entry of the same number.

    Attributes:
        frame: a row per entry; column `warnings` holds lists of sentences.
        essentials: the columns shown at first.
        filters: columns whose values can be chosen from a list.
        order: row numbers in the order shown at first.
        stem: name of the downloaded file without its ending.
    """

    frame: pd.DataFrame
    essentials: tuple[str, ...]
    filters: tuple[str, ...]
    order: tuple[int, ...]
    stem: str


def whole_rows(items: Sequence[Item]) -> list[Item]:
    """Let a figure that would stand alone in its row span the page.

    Args:
        items: of a section; figures that are not wide share rows of two.

    Returns:
        The same items, the last of an odd number of such figures in a row wide.
    """
    found = list(items)
    run = 0
    for place, item in enumerate(found):
        run = run + 1 if isinstance(item, Plot) and not item.wide else 0
        following = found[place + 1] if place + 1 < len(found) else None
        ends = not (isinstance(following, Plot) and not following.wide)
        if isinstance(item, Plot) and run % 2 and ends:
            found[place] = replace(item, wide=True)
    return found


@dataclass(frozen=True)
class Card:
    """An answer.

    Attributes:
        question: what was asked.
        verdict: the answer in two or three words.
        text: the sentence.
        chance: what chance gives; empty for nothing.
        tone: "yes", "no", "undecided", or "look" for what needs a look.
    """

    question: str
    verdict: str
    text: str
    chance: str
    tone: str


@dataclass(frozen=True)
class Cards:
    """Answers side by side.

    Attributes:
        cards: three or four.
    """

    cards: tuple[Card, ...]


@dataclass(frozen=True)
class Grid:
    """A small table of texts whose first column may open entries of the deck.

    Attributes:
        headings: of the columns.
        rows: the cells, and the number of the deck's entry that the first one opens, or None.
    """

    headings: tuple[str, ...]
    rows: tuple[tuple[tuple[str, ...], int | None], ...]


Item = Union[Prose, Facts, Plot, Listing, DataTable, Cards, Grid, "Deck"]


@dataclass(frozen=True)
class Section:
    """A part of the page with a heading.

    Attributes:
        key: its anchor; letters, digits and hyphens.
        title: its heading.
        items: what it holds, in order.
        lead: one sentence under the heading; empty for none.
        nav: its short name in the navigation; empty for the heading.
        folded: whether it is closed at first, with the heading as what opens it.
    """

    key: str
    title: str
    items: tuple[Item, ...]
    lead: str = ""
    nav: str = ""
    folded: bool = False


@dataclass(frozen=True)
class Deck:
    """Many sections of which the reader opens one at a time.

    Attributes:
        names: what each is called.
        make: builds the section of a number; called once for each, in order, so that only one is in memory.
        max_rows: longest table of data kept with a figure; longer ones are thinned, and the page says so.
        max_points: longest curve kept in a figure; a screen shows a few hundred points at most.
    """

    names: Sequence[str]
    make: Callable[[int], Section]
    max_rows: int
    max_points: int


@dataclass(frozen=True)
class Page:
    """A whole page.

    Attributes:
        title: its heading and the window's title.
        source: what was analysed.
        sections: its parts.
        terms: columns whose explanations it needs.
        note: a paragraph under the heading.
        origin: what it is made of, from `origin_of`; empty where it may be replaced by any.
    """

    title: str
    source: str
    sections: tuple[Section, ...]
    terms: tuple[str, ...]
    note: str = ""
    origin: str = ""


def frame_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Read a table row by row as plain Python values.

    Args:
        frame: any table.

    Returns:
        A dict per row.
    """
    columns = {str(c): list(frame[c]) for c in frame.columns}
    return [{c: v[i] for c, v in columns.items()} for i in range(len(frame))]
