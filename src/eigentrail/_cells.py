"""How numbers are written on a page: three significant digits, an em dash for what could not be computed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from eigentrail._text import printable

ABSENT = "—"


def is_absent(value: Any) -> bool:
    """Tell whether a cell holds no number or text.

    Args:
        value: one cell of a table.

    Returns:
        True for None, NaN, pandas' missing values and empty lists and texts.
    """
    if value is None:
        return True
    if isinstance(value, (str, list, tuple, dict, np.ndarray)):
        return len(value) == 0
    return bool(pd.isna(value))


def number(value: float) -> str:
    """Write a number with three significant digits.

    Args:
        value: a finite or infinite number; integers are written in full.

    Returns:
        For example `0.0123`, `3.14`, `1,024`, `2.5e-07`; the em dash for NaN.
    """
    if isinstance(value, (int, np.integer)):
        return f"{int(value):,}".replace(",", "\u202f") if abs(int(value)) >= 10_000 else str(int(value))
    value = float(value)
    if math.isnan(value):
        return ABSENT
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    size = abs(value)
    if 1e-3 <= size < 1e4:
        # The digits are counted after rounding, so that 9.999 becomes 10.0 and not 10.00.
        exponent = math.floor(math.log10(float(f"{size:.2e}")))
        text = f"{value:.{max(0, 2 - exponent)}f}"
    else:
        mantissa, exponent_text = f"{value:.2e}".split("e")
        text = f"{mantissa}e{int(exponent_text)}"
    return text.replace("-", "−") if text.startswith("-") else text


def cell(value: Any) -> str:
    """Write one cell of a table for people.

    Args:
        value: a number, a truth value, a text, a shape or list of such, or something absent.

    Returns:
        Text that still has to be escaped for HTML.
    """
    if is_absent(value):
        return ABSENT
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (int, float, np.integer, np.floating)):
        return number(value)  # type: ignore[arg-type]  # numpy floats are numbers
    if isinstance(value, (tuple, list)) and all(isinstance(v, (int, np.integer)) for v in value):
        return " × ".join(str(int(v)) for v in value)
    if isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, str):
        return "; ".join(cell(v) for v in value)
    return printable(value)
