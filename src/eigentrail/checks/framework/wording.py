"""Sentences of findings: a layer's name, however long, leaves them short."""

from __future__ import annotations

import re


def plural(count: int, what: str) -> str:
    """Count something.

    Args:
        count: how many.
        what: one of them.

    Returns:
        "1 row", "2 rows".
    """
    return f"{count} {what}{'' if count == 1 else 's'}"


def shown(name: str) -> str:
    """Make a layer's name one word of a sentence, whatever a file calls its tensors.

    Args:
        name: as in the file.

    Returns:
        The name, with one underscore for each run of blanks, line ends and other unprintable characters.
    """
    return re.sub(r"\s+", "_", "".join(c if c.isprintable() else " " for c in name)) or "_"


def percent(share: float) -> str:
    """Write a share, or a change, of a norm.

    Args:
        share: not negative; 1 is all.

    Returns:
        "0.17%", "27%", "141%".
    """
    if share > 100:
        return "more than 100 times"
    return f"{100 * share:.0f}%" if share >= 1 else f"{100 * share:.2g}%"
