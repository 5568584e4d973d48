"""S3: deep linear networks learn in a subspace of 2r dimensions; all else follows a scalar recursion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eigentrail.recipes.framework.claim_study import ClaimStudy, Measures


def _measure(seeds: Sequence[int], size: Any) -> Measures:
    from eigentrail.parsimony import law_study

    return law_study.run(tuple(seeds), size)


RECIPE = ClaimStudy(
    "parsimony",
    "S3 part 2",
    "the law of parsimony: exactly 2r singular values of each layer move, the others follow rho(t)",
    "1 minute; full: 10 minutes",
    "1 MB",
    _measure,
    seeds=5,
)
