"""The Hessian of the 128 x 64 layer of MLP 256, and the largest eigenpairs of its 828,490 weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigentrail.recipes.framework.recipe import recipe

if TYPE_CHECKING:
    from eigentrail.recipes.experiments.hessian_study import HessianStudy


@recipe(
    "hessian-mlp256",
    source="S1 7",
    network="mlp256",
    data="cifar10",
    minutes="40 minutes, 25 for --epochs 5; full: 3 hours",
    disk="3 GB, 1.8 GB for --epochs 5; full: 64 GB",
)
def hessian_mlp256() -> HessianStudy:
    """The Hessian of the 128 x 64 layer of MLP 256, and the largest eigenpairs of its 828,490 weights."""
    from eigentrail.recipes import mlp256
    from eigentrail.recipes.experiments.hessian_study import HessianStudy
    from eigentrail.recipes.shared.choices import HESSIAN_WHY

    return HessianStudy(
        mlp256.preset(),
        changes={"cifar10": {"epochs": 10}},
        chosen={"cifar10": HESSIAN_WHY["*"]},
        analyses=("curvature",),
        analysed=("*",),
        studied="fc3.weight",
    )
