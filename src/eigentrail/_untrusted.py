"""Text that others wrote, made harmless for every place where a page shows it.

Names of layers and files come out of checkpoints, that is from strangers. HTML is escaped by Jinja; the other places
(Plotly's own little markup, JSON inside a script element, spreadsheets, file names) each have their rule here.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from typing import Any

import pandas as pd

from eigentrail._text import printable


def plotly_text(text: object, limit: int = 120) -> str:
    """Write a text so that Plotly shows it literally.

    Plotly reads a subset of HTML (`<a href>`, `<b>`, `<br>`, entities) in every label and hover text.

    Args:
        text: any object; its `str` is taken.
        limit: longest result in characters before escaping; the middle of a longer text is left out.

    Returns:
        The text with `&`, `<` and `>` as entities and `%{` broken up.
    """
    shown = printable(text)
    if len(shown) > limit:
        half = (limit - 1) // 2
        shown = f"{shown[:half]}…{shown[-half:]}"
    shown = shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return shown.replace("%{", "%&#8203;{").replace("$", "&#36;")


def json_for_script(value: Any) -> str:
    """Write JSON that may stand inside a script element.

    Args:
        value: anything `json` can write; NaN and infinities must have been made null before.

    Returns:
        ASCII JSON in which `<`, `>` and `&` are escaped, so that neither `</script>` nor `<!--` can appear.
    """
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def csv_cell(value: object) -> str:
    """Write one value for a CSV file that a person may open in a spreadsheet.

    Args:
        value: a number, a text, None, or a list of such.

    Returns:
        Numbers in full precision, the empty text for what is missing, lists joined by `; `; a text that a spreadsheet
        would run as a formula gets a leading apostrophe.
    """
    if value is None or value is pd.NA:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) or (hasattr(value, "dtype") and getattr(value, "ndim", 1) == 0):
        number = value.item() if hasattr(value, "item") else value
        if isinstance(number, float):
            return repr(number) if math.isfinite(number) else ""
        value = number
    if isinstance(value, int):
        return str(value)
    if isinstance(value, (list, tuple)):
        return _no_formula("; ".join(csv_cell(v) for v in value))
    return _no_formula(printable(value))


def _no_formula(text: str) -> str:
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r", "|", "%"} else text


def csv_text(table: pd.DataFrame) -> str:
    r"""Write a table as CSV with every cell made safe by `csv_cell`.

    Args:
        table: any table; its index is not written.

    Returns:
        CSV text with a header and `\\n` at the end of each line.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([csv_cell(c) for c in table.columns])
    columns = [list(table[c]) for c in table.columns]
    writer.writerows([csv_cell(v) for v in row] for row in zip(*columns, strict=True))
    return out.getvalue()


def file_stem(text: object, limit: int = 60) -> str:
    """Make a name that is safe in every file system out of a layer's name.

    Args:
        text: any object; its `str` is taken.
        limit: longest result in characters.

    Returns:
        Letters, digits, dots, hyphens and underscores only, never empty and never starting with a dot.
    """
    return re.sub(r"[^A-Za-z0-9._-]+", "_", str(text)).strip("._-")[:limit] or "layer"
