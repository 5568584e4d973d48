"""What a page was made of, written at its head, so that no command replaces another one's page unasked."""

from __future__ import annotations

import hashlib
import html
import os
import re
from pathlib import Path

from eigentrail._text import printable
from eigentrail.errors import OptionError

#: A page's head, with its title and its origin, lies within so many bytes.
_HEAD = 8192
_ORIGIN = re.compile(r'<meta name="eigentrail-origin" content="([^"]*)">')
_TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL)


def origin_of(kind: str, *sources: str) -> str:
    """Name what a page is made of.

    Args:
        kind: "inspect", "compare", "runs", "sweeps" or "study".
        sources: what it shows; the path of a file or folder counts as the same wherever it is called from.

    Returns:
        The kind and a digest.
    """
    parts = [os.path.realpath(source) if Path(source).exists() else source for source in sources]
    return f"{kind}-{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:16]}"


def refuse_another(page: Path, origin: str, mend: str, *, any_of_kind: bool = False) -> None:
    """Refuse to replace a page that was made of something else.

    Args:
        page: where the new one shall be.
        origin: of the new one, from `origin_of`.
        mend: what to do instead, in words.
        any_of_kind: True where pages of the same kind, and those that name no origin, are replaced too.

    Raises:
        OptionError: there is one of another origin.
    """
    try:
        with page.open("rb") as file:
            head = file.read(_HEAD).decode(errors="replace")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return
    except OSError as error:
        raise OptionError(f"cannot read {page}: {error.strerror or error}; {mend}") from error
    found = _ORIGIN.search(head)
    known = found.group(1) if found else ""
    same_kind = not known or known.split("-")[0] == origin.split("-", maxsplit=1)[0]
    if known == origin or (any_of_kind and same_kind):
        return
    title = _TITLE.search(head)
    of = f'"{printable(html.unescape(title.group(1)).strip())}"' if title else "something else"
    raise OptionError(f"{page} is the page of {of} already; {mend}")
