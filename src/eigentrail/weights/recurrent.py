"""Recurrent layers: the gates that LSTM and GRU store one behind the other.

torch stores `weight_ih` [G * H, in] and `weight_hh` [G * H, H]: an LSTM has the gates i, f, g, o (G = 4), a
GRU r, z, n (G = 3), a plain RNN only one (G = 1). An LSTM with projections has `weight_hh` [4 * H, P] and
`weight_hr` [P, H].
"""

from __future__ import annotations

import re

from eigentrail.weights.split import consecutive
from eigentrail.weights.view import Context, Source, View

_WEIGHT = re.compile(r"^(?P<module>.*?)weight_(?P<which>ih|hh|hr)(?P<layer>(_l\d+(_reverse)?)?)$")
_GATES = {"LSTM": ("i", "f", "g", "o"), "GRU": ("r", "z", "n"), "RNN": ()}


def view_recurrent(context: Context, source: Source, shape: tuple[int, ...]) -> View | None:
    """See a weight of a recurrent layer as one matrix per gate.

    Args:
        context: all that planning may look at.
        source: where the numbers come from.
        shape: the stored shape.

    Returns:
        The view, or None for a parameter that is not of a recurrent layer.
    """
    found = _WEIGHT.match(source.name)
    if not found or len(shape) != 2:
        return None
    rows, cols = shape
    if found["which"] == "hr":
        return View("lstm.projection", source, (1, rows, cols))
    cell = _cell(context, source.name, found, rows)
    if cell is None:
        note = "a recurrent layer whose hidden size is not known: its gates are seen together"
        return View("recurrent", source, (1, rows, cols), note=note)
    gates = _GATES[cell]
    parts = consecutive(gates, [rows // len(gates)] * len(gates)) if gates else ()
    return View(cell.lower(), source, (1, rows, cols), parts=parts)


def _cell(context: Context, name: str, found: re.Match[str], rows: int) -> str | None:
    """Tell LSTM, GRU and RNN apart: by the module, else by how often the hidden size fits into the rows."""
    hint = context.hint(name)
    if hint:
        for cell in _GATES:
            if hint.class_name.startswith(cell):
                return cell
    projection = context.shape(f"{found['module']}weight_hr{found['layer']}")
    recurrent = context.shape(f"{found['module']}weight_hh{found['layer']}")
    hidden = (hint.hidden_size if hint else None) or (
        projection[1] if projection else recurrent[1] if recurrent else None
    )
    return {4: "LSTM", 3: "GRU", 1: "RNN"}.get(rows // hidden) if hidden and rows % hidden == 0 else None
