"""The templates of the page and the environment that renders them: everything is escaped unless it is our own."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

import jinja2
from markupsafe import Markup, escape

from eigentrail._cells import ABSENT, cell
from eigentrail._text import printable

#: Characters of a text of a list that paper has room for.
_PAPER = 600


def breakable(name: str) -> Markup:
    """Let a long name break where its parts meet.

    Args:
        name: any text.

    Returns:
        The escaped text with an optional break after dots, slashes and underscores.
    """
    return Markup(re.sub(r"([./_:])(?=\w)", r"\1<wbr>", str(escape(printable(name)))))


def clipped(told: str) -> Markup:
    """Let a very long text end early on paper; on the screen it is whole.

    Args:
        told: any text.

    Returns:
        The escaped text.
    """
    shown = printable(told)
    if len(shown) <= _PAPER:
        return escape(shown)
    head, rest = shown[:_PAPER], shown[_PAPER:]
    return Markup(
        '{}<span class="screen">{}</span><span class="paper"> … (all of them on the page)</span>'
    ).format(head, rest)


@cache
def environment() -> jinja2.Environment:
    """Build the Jinja environment of all pages.

    Returns:
        An environment that escapes every value, refuses undefined ones, and shows control characters as escapes.
    """
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("eigentrail.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["cell"] = cell
    made.filters["printable"] = printable
    made.filters["breakable"] = breakable
    made.filters["clipped"] = clipped
    made.globals["ABSENT"] = ABSENT
    return made


def text(name: str) -> str:
    """Read a file beside the templates.

    Args:
        name: its file name, for example `page.js`.

    Returns:
        Its text.
    """
    return files(__name__).joinpath(name).read_text(encoding="utf-8")
