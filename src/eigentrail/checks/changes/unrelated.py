"""Two checkpoints that have nothing to do with each other, and single layers of related ones that have not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from eigentrail.checks.framework.wording import shown
from eigentrail.findings import Chance, Effect, Finding, Verdict

_QUESTION = "Do the two checkpoints come from one training?"
# Trainings from one start keep a part of it; those of two starts have cosines near 0 and distances near sqrt 2.
_COSINE = 0.1
_REPLACED = "Was a layer replaced rather than moved?"
# A layer was replaced only where the others have kept so much of themselves.
_KEPT = 0.5


def unrelated(rows: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """Look at the angles between the layers of A and B.

    Args:
        rows: of the table of `compare`.

    Yields:
        A finding where the median cosine is near 0; where it is not, one for each layer whose own is.
    """
    known = [row for row in rows if row["cosine"] is not None and np.isfinite(row["cosine"])]
    if not known:
        return
    middle = float(np.median([row["cosine"] for row in known]))
    if abs(middle) > _COSINE:
        yield from _replaced(known, middle)
        return
    yield Finding(
        subject="network",
        question=_QUESTION,
        verdict=Verdict.NO,
        sentence=f"The two look unrelated: the median cosine between their layers is {middle:.2g}, as between "
        "independent matrices (0).",
        effect=Effect("median cosine between A and B", middle),
        chance=Chance("independent matrices", 0.0),
        needs_look=True,
        detail="Trainings from different starts have such angles, and so have layers in another order. What is said of "
        "changes then tells of two networks, not of one that moved.",
        advice="See that B was trained from A; two trainings from different starts are compared by their spectra, "
        "not by differences.",
    )


def _replaced(rows: Sequence[Mapping[str, Any]], middle: float) -> Iterator[Finding]:
    for row in rows:
        if middle < _KEPT or abs(row["cosine"]) > _COSINE:
            continue
        yield Finding(
            subject=row["name"],
            question=_REPLACED,
            verdict=Verdict.YES,
            sentence=f"{shown(row['name'])} was replaced: its cosine with what it was is {row['cosine']:.2g}, "
            f"the median layer's {middle:.2g}.",
            effect=Effect("cosine between A and B", row["cosine"]),
            chance=Chance("independent matrices", 0.0),
            asked=len(rows),
            needs_look=True,
            detail="Nothing of the layer is left, while the others have kept most of themselves. Possible causes: it "
            "was initialised anew, as heads often are on purpose, its units stand in another order, or it was "
            "loaded from "
            "another file.",
            advice="See that this layer was meant to start anew; if not, load it from A again.",
        )
