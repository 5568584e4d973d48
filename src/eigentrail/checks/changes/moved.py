"""Which layers moved by more than rounding to the stored number format gives."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from eigentrail._text import counted
from eigentrail.checks.framework.wording import percent
from eigentrail.findings import Chance, Effect, Finding, Verdict

_QUESTION = "Did the layers move by more than rounding?"
# Cutting digits off, the worst way of rounding, errs twice as much as rounding to the nearest.
_WORST_ROUNDING = 2.0
# The root mean square of n such errors spreads by about 1 / sqrt(n) of itself; so many of these are spare.
_SPARE = 5.0


def has_moved(row: Mapping[str, Any]) -> bool:
    """Tell whether a layer moved.

    Args:
        row: `relative_change`, `rounding`, `rows` and `cols`, of the table of `compare`.

    Returns:
        Whether it moved further than rounding of any kind gives.
    """
    spread = _SPARE / math.sqrt(row["rows"] * row["cols"])
    return bool(row["relative_change"] > _WORST_ROUNDING * (1.0 + spread) * (row["rounding"] or 0.0))


def beyond_rounding(rows: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """Count the layers that moved.

    Args:
        rows: of the table of `compare`.

    Yields:
        One finding on the network.
    """
    moved = [row for row in rows if has_moved(row)]
    rounded = [row for row in rows if not has_moved(row) and row["distance"] > 0]
    changes = np.array([row["relative_change"] for row in moved])
    layers = counted(len(rows), "layer")
    if moved:
        half = f"the median by {percent(float(np.median(changes)))} of its norm"
        sentence = f"{len(moved)} of {layers} moved beyond rounding, {half}."
    elif rounded:
        most = max(row["relative_change"] for row in rounded)
        sentence = f"Nothing moved beyond rounding: {layers} differ by at most {most:.2g} of their norms."
    else:
        sentence = f"Nothing moved: {layers} hold the same numbers in both."
    floors = [row["rounding"] or 0.0 for row in rows]
    yield Finding(
        subject="network",
        question=_QUESTION,
        verdict=Verdict.YES if moved else Verdict.NO,
        sentence=sentence,
        effect=Effect(
            "median relative change", float(np.median(changes)) if moved else 0.0, "of the norm of A"
        ),
        chance=Chance("the same numbers rounded to the stored format", float(np.median(floors))),
        detail=f"{len(rounded)} of {layers} differ by no more than rounding; {len(rows) - len(moved) - len(rounded)} "
        "do not differ at all. Formats are told from the numbers themselves: a float32 file may hold bfloat16.",
    )
