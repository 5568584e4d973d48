"""How the separation of classes improves from layer to layer of a deep linear network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigentrail.recipes.framework.recipe import recipe

if TYPE_CHECKING:
    from eigentrail.recipes.framework.claim_study import ClaimStudy


@recipe(
    "separation-dln",
    source="S3 part 3",
    minutes="2 minutes; full: 15 minutes",
    disk="1 MB",
)
def separation_dln() -> ClaimStudy:
    """D_l falls by the same factor from layer to layer of deep linear networks, within its bound."""
    from eigentrail.parsimony import separation_study
    from eigentrail.recipes.framework.claim_study import ClaimStudy

    return ClaimStudy(separation_study.run, seeds=5)
