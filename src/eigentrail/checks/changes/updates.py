"""In how many directions the layers moved: the update's rank and energy beside a random update of equal norm."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import bdtrc

from eigentrail.chance import LEVEL
from eigentrail.checks.changes.moved import has_moved
from eigentrail.findings import Chance, Effect, Finding, Verdict

_QUESTION = "Are the updates B − A closer to low rank than random ones?"
# A rank is what is said where the update has no more than this share of all directions.
_LOW = 0.25
_NULL = "random updates of equal norm"


def low_rank_updates(rows: Sequence[Mapping[str, Any]], level: float) -> Iterator[Finding]:
    """Count the directions of the updates.

    Args:
        rows: of the table of `compare`.
        level: chance that an update of pure noise shows a spike.

    Yields:
        One finding on the network; none where no layer moved.
    """
    moved = [row for row in rows if has_moved(row) and row["update_energy_90"] is not None]
    if not moved:
        return
    structured = [row for row in moved if row["update_spikes"] is None or row["update_spikes"] > 0]
    p = float(bdtrc(len(structured) - 1, len(moved), level))
    ranks = np.array([row["update_numerical_rank"] or row["cols"] for row in moved])
    cols = np.array([row["cols"] for row in moved])
    many = np.array([row["update_energy_90"] for row in moved])
    random = np.array([row["update_energy_90_noise"] for row in moved])
    middle = int(np.argsort(many / cols)[len(many) // 2])
    low = ranks[ranks <= _LOW * cols]
    if len(low) > len(moved) / 2:
        ends = sorted({int(low.min()), int(low.max())})
        span = " to ".join(map(str, ends))
        sentence = (
            f"Updates have rank {span} in {len(low)} of {len(moved)} moved layers; {_NULL} have full rank."
        )
    else:
        sentence = (
            f"In the median layer {many[middle]} of {cols[middle]} directions hold 90% of the update's squared norm; "
            f"{_NULL} need {random[middle]}."
        )
    yield Finding(
        subject="network",
        question=_QUESTION,
        verdict=Verdict.YES if p <= LEVEL and len(structured) > len(moved) / 2 else Verdict.NO,
        sentence=sentence,
        effect=Effect("layers whose update has singular values beyond noise", len(structured), "count"),
        chance=Chance(_NULL, level * len(moved)),
        p=p,
        p_adjusted=p,
        detail=f"{len(structured)} of {len(moved)} updates have singular values above what noise reaches "
        f"(level {level:g} each).",
    )
