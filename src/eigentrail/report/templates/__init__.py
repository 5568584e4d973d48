"""The templates of the page and the environment that renders them: everything is escaped unless it is our own."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import jinja2

from eigentrail.report.numbers import ABSENT, cell
from eigentrail.report.untrusted import printable


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
