"""Within-class variability falls by the same factor from layer to layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigentrail.recipes.framework.recipe import recipe

if TYPE_CHECKING:
    from eigentrail.recipes.framework.claim_study import ClaimStudy


@recipe(
    "separation",
    source="S3 part 3",
    data="separable",
    minutes="2 minutes; full: 30 minutes, needs MNIST and Fashion-MNIST",
    disk="1 MB",
)
def separation() -> ClaimStudy:
    """The law of progressive separation in linear and ReLU networks: log D falls linearly with depth."""
    from eigentrail.recipes.experiments.feature_geometry import separation
    from eigentrail.recipes.framework.claim_study import ClaimStudy

    return ClaimStudy(separation.run, seeds=3)
