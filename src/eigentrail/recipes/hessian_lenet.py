"""The Hessians of LeNet's convolutions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigentrail.recipes.framework.recipe import recipe

if TYPE_CHECKING:
    from eigentrail.recipes.framework.study import Study


@recipe(
    "hessian-lenet",
    source="S1 figures 7.3 and 7.6",
    network="lenet",
    data="cifar10",
    minutes="10 minutes; full: 2 hours",
    disk="60 MB; full: 1.8 GB",
)
def hessian_lenet() -> Study:
    """The Hessians of LeNet's convolutions."""
    from eigentrail.recipes import lenet
    from eigentrail.recipes.framework.study import Study
    from eigentrail.recipes.shared.curvature_claims import curvature_claims

    layers = ("conv1.weight", "conv2.weight")
    return Study(
        lenet.preset(),
        analyses=("curvature",),
        analysed=layers,
        claims=tuple(one for layer in layers for one in curvature_claims("hessian-lenet", layer)),
    )
