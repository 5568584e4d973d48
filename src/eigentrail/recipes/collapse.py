"""Neural collapse grows over the training and with depth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigentrail.recipes.framework.recipe import recipe

if TYPE_CHECKING:
    from eigentrail.recipes.framework.claim_study import ClaimStudy


@recipe(
    "collapse",
    source="S3 part 1",
    data="digits",
    source_data="fashion-mnist",
    minutes="1 minute; full: 10 minutes",
    disk="1 MB",
)
def collapse() -> ClaimStudy:
    """Neural collapse by layer over the training of a classifier, on training and held-out samples."""
    from eigentrail.recipes.experiments.feature_geometry import collapse
    from eigentrail.recipes.framework.claim_study import ClaimStudy

    return ClaimStudy(collapse.run, seeds=3)
