"""Sentences of findings: a layer's name, however long, leaves them short."""

from __future__ import annotations


def plural(count: int, what: str) -> str:
    """Count something.

    Args:
        count: how many.
        what: one of them.

    Returns:
        "1 row", "2 rows".
    """
    return f"{count} {what}{'' if count == 1 else 's'}"
