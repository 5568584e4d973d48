"""Are the levels of a Hessian spaced as a random matrix's? A small network, and logistic regression on its features."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigentrail.recipes.framework.recipe import recipe

if TYPE_CHECKING:
    from eigentrail.recipes.experiments.hessian_spacings_study import SpacingsStudy


@recipe(
    "hessian-spacings",
    source="S2",
    network="mlp50",
    data="digits",
    source_data="mnist",
    minutes="9 minutes; full: 30 minutes",
    disk="60 MB; full: 180 MB",
)
def hessian_spacings() -> SpacingsStudy:
    """Are the levels of a Hessian spaced as a random matrix's? A small network, and regression on its features."""
    from eigentrail.recipes import mlp50
    from eigentrail.recipes.experiments.hessian_spacings_study import SpacingsStudy
    from eigentrail.recipes.shared.choices import HESSIAN_SIZES, HESSIAN_WHY

    return SpacingsStudy(
        mlp50.preset(), changes=HESSIAN_SIZES, chosen=HESSIAN_WHY, studied="fc2.weight", seeds=(3, 3)
    )
