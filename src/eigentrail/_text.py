"""Text that others wrote, such as the names in a stranger's file, made harmless for one line of a terminal."""

from __future__ import annotations

import unicodedata

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
