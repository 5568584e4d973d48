"""The Hessian of every layer of MLP 50 and of the whole network beside weights, motion and singular matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigentrail.recipes.framework.recipe import recipe

if TYPE_CHECKING:
    from eigentrail.recipes.experiments.hessian_study import HessianStudy


@recipe(
    "hessian",
    source="S1 7",
    network="mlp50",
    data="digits",
    source_data="mnist",
    minutes="18 minutes, 15 on MNIST; full: 2 hours",
    disk="330 MB, 450 MB on MNIST; full: 12 GB",
)
def hessian() -> HessianStudy:
    """Hessians of all layers and of the whole network beside weights, motion and singular matrices; weight decay."""
    from eigentrail.recipes import mlp50
    from eigentrail.recipes.experiments.hessian_study import HessianStudy
    from eigentrail.recipes.shared.choices import HESSIAN_SIZES, HESSIAN_WHY

    return HessianStudy(
        mlp50.preset(),
        changes=HESSIAN_SIZES,
        chosen=HESSIAN_WHY,
        only=("evolution",),
        analyses=("curvature",),
        analysed=("*",),
        studied="fc2.weight",
        complete="fc3.weight",
        seeds=(1, 3),
    )
