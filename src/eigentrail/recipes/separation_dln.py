"""S3: how the separation of classes improves from layer to layer of a deep linear network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eigentrail.recipes.framework.claim_study import ClaimStudy, Measures


def _measure(seeds: Sequence[int], size: Any) -> Measures:
    from eigentrail.parsimony import separation_study

    return separation_study.run(tuple(seeds), size)


RECIPE = ClaimStudy(
    "separation-dln",
    "S3 part 1",
    "D_l falls by the same factor from layer to layer of deep linear networks, within its bound",
    "2 minutes; full: 15 minutes",
    "1 MB",
    _measure,
    seeds=5,
)
