"""Two checkpoints that have nothing to do with each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from eigentrail.findings import Chance, Effect, Finding, Verdict

_QUESTION = "Do the two checkpoints come from one training?"
# Trainings from one start keep a part of it; those of two starts have cosines near 0 and distances near sqrt 2.
_COSINE = 0.1


def unrelated(rows: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """Look at the angles between the layers of A and B.

    Args:
        rows: of the table of `compare`.

    Yields:
        A finding where the median cosine is near 0; nothing otherwise.
    """
    cosines = np.array(
        [row["cosine"] for row in rows if row["cosine"] is not None and np.isfinite(row["cosine"])]
    )
    if not cosines.size or abs(float(np.median(cosines))) > _COSINE:
        return
    middle = float(np.median(cosines))
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
