"""What the site does differently from the plain pages: fences that tests leave out are fences like others."""

from __future__ import annotations

import re
from typing import Any

_LEFT_OUT = re.compile(r"^(\s*```\w+) no-run$", re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Take the word for the tests out of the first lines of code blocks: the site's highlighter knows no such word.

    Args:
        markdown: a page.

    Returns:
        The page.
    """
    return _LEFT_OUT.sub(r"\1", markdown)
