"""Words that every surface shares: names of others' files made harmless, and things counted in plain English."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from html import escape

_UNPRINTABLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def printable(text: object) -> str:
    r"""Make control and direction-changing characters visible, so that a name cannot disguise itself.

    Args:
        text: any object; its `str` is taken.

    Returns:
        The text with each control, format, surrogate and line-separating character written as `\\uXXXX`.
    """
    shown = str(text)
    if shown.isascii() and shown.isprintable():
        return shown
    return "".join(f"\\u{ord(c):04x}" if unicodedata.category(c) in _UNPRINTABLE else c for c in shown)


def counted(count: int, one: str, many: str = "") -> str:
    """Count something in words.

    Args:
        count: how many.
        one: the word for one.
        many: the word for others; that for one with an s by default.

    Returns:
        "1 matrix", "2 matrices".
    """
    return f"{count} {one if count == 1 else many or one + 's'}"


def html_table(title: str, head: Sequence[str], rows: Sequence[Sequence[object]], note: str = "") -> str:
    """Write a small table for a notebook.

    Args:
        title: what it shows.
        head: the names of the columns.
        rows: the cells of each row.
        note: a line below the title.

    Returns:
        HTML in which all texts are escaped.
    """
    names = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows)
    below = f"<br>{escape(note)}" if note else ""
    return (
        f"<p><b>{escape(title)}</b>{below}</p>"
        f"<table><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table>"
    )
