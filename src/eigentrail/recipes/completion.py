"""Compressed training of deep linear networks completes matrices, with the discrepant rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigentrail.recipes.framework.recipe import recipe

if TYPE_CHECKING:
    from eigentrail.recipes.framework.claim_study import ClaimStudy


@recipe(
    "completion",
    source="S3 part 4",
    minutes="5 minutes; full: 1 hour",
    disk="1 MB",
)
def completion() -> ClaimStudy:
    """Matrix completion by compressed deep networks beside the full and the narrow network, over masks."""
    from eigentrail.parsimony import completion_study
    from eigentrail.recipes.framework.claim_study import ClaimStudy

    return ClaimStudy(completion_study.run, seeds=10)
