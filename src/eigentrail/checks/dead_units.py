"""Rows and columns without weights."""

from __future__ import annotations

from collections.abc import Iterator

from eigentrail.checks.framework.contract import Checkpoint, check
from eigentrail.checks.framework.wording import plural, shown
from eigentrail.findings import Chance, Effect, Finding, Verdict

_QUESTION = "Does a layer have dead units?"
# One row of zeros inside a table of symbols is the symbol that pads sequences.
_PADDING = 1


@check(question=_QUESTION, order=50)
def dead_units(checkpoint: Checkpoint) -> Iterator[Finding]:
    """Look for layers with rows or columns of zeros.

    The rows of an embedding are symbols, and a few of them are zero in a healthy network: the one that pads sequences,
    and those at the end that pad the table. What else is zero there are symbols without a vector.

    Args:
        checkpoint: the layers.

    Yields:
        A finding for each.
    """
    for layer in checkpoint.dense:
        rows, cols = int(layer.number("zero_rows") or 0), int(layer.number("zero_cols") or 0)
        symbols = layer.kind == "embedding"
        if not rows and not cols:
            continue
        if symbols and (layer.number("zero_lines_inside") or 0) <= _PADDING:
            continue
        n, m = int(layer.row["rows"]), int(layer.row["cols"])
        counted = [
            f"{plural(count, 'zero row' if long else 'zero column')} of {total}"
            for long, count, total in ((True, rows, n), (False, cols, m))
            if count
        ]
        yield Finding(
            subject=layer.name,
            question=_QUESTION,
            verdict=Verdict.YES,
            sentence=f"{shown(layer.name)} has {' and '.join(counted)} ({n} x {m}): "
            f"{'symbols without a vector' if symbols else 'dead units'}.",
            effect=Effect("zero rows and columns", float(rows + cols)),
            chance=Chance("independent entries", 0.0),
            asked=len(checkpoint.dense),
            needs_look=True,
            detail="A row or column counts whose norm is below a millionth of the others'. Possible causes: "
            "units that never "
            "fire while weight decay shrinks them, pruning, or inputs that are always zero.",
            advice="See whether these symbols occur in the data at all, and load the table again if they do."
            if symbols
            else "Leave the units out (the network computes the same without), or train with less weight decay or "
            "a lower learning rate at the start.",
        )
