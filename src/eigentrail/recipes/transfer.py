"""How little of a network has to be tuned, and whether collapse predicts transfer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigentrail.recipes.framework.recipe import recipe

if TYPE_CHECKING:
    from eigentrail.recipes.framework.claim_study import ClaimStudy


@recipe(
    "transfer",
    source="S3 part 1",
    network="lenet",
    data="digits",
    source_data="fashion-mnist",
    minutes="4 minutes; full: 2 hours",
    disk="1 MB",
)
def transfer() -> ClaimStudy:
    """Accuracy against the share of weights trained, from a probe to all; collapse against transfer."""
    from eigentrail.recipes.experiments.feature_geometry import transfer
    from eigentrail.recipes.framework.claim_study import ClaimStudy

    return ClaimStudy(transfer.run, seeds=3)
