"""Deep linear networks learn in a subspace of 2r dimensions; all else follows a scalar recursion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigentrail.recipes.framework.recipe import recipe

if TYPE_CHECKING:
    from eigentrail.recipes.framework.claim_study import ClaimStudy


@recipe(
    "parsimony",
    source="S3 part 2",
    minutes="1 minute; full: 10 minutes",
    disk="1 MB",
)
def parsimony() -> ClaimStudy:
    """The law of parsimony: exactly 2r singular values of each layer move, the others follow rho(t)."""
    from eigentrail.parsimony import law_study
    from eigentrail.recipes.framework.claim_study import ClaimStudy

    return ClaimStudy(law_study.run, seeds=5)
