"""S3: compressed training of deep linear networks completes matrices, with the discrepant rate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eigentrail.recipes.framework.claim_study import ClaimStudy, Measures


def _measure(seeds: Sequence[int], size: Any) -> Measures:
    from eigentrail.parsimony import completion_study

    return completion_study.run(tuple(seeds), size)


RECIPE = ClaimStudy(
    "completion",
    "S3 part 2",
    "matrix completion by compressed deep networks beside the full and the narrow network, over masks",
    "5 minutes; full: 1 hour",
    "1 MB",
    _measure,
    seeds=10,
)
