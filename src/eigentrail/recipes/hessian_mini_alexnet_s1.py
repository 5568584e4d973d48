"""The Hessians of the first convolution and of the last layer of the thesis's miniAlexNet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigentrail.recipes.framework.recipe import recipe

if TYPE_CHECKING:
    from eigentrail.recipes.framework.study import Study


@recipe(
    "hessian-mini-alexnet-s1",
    source="S1 figure 7.3",
    network="mini-alexnet-s1",
    data="cifar10",
    formerly=("hessian-minialexnet",),
    minutes="25 minutes; full: 15 hours",
    disk="90 MB; full: 28 GB",
)
def hessian_mini_alexnet_s1() -> Study:
    """The Hessians of the first convolution and of the last layer of miniAlexNet."""
    from eigentrail.recipes import mini_alexnet_s1
    from eigentrail.recipes.framework.study import Study
    from eigentrail.recipes.shared.curvature_claims import curvature_claims

    layers = ("conv1.weight", "fc3.weight")
    return Study(
        mini_alexnet_s1.preset(),
        analyses=("curvature",),
        analysed=layers,
        claims=tuple(one for layer in layers for one in curvature_claims("hessian-mini-alexnet-s1", layer)),
    )
