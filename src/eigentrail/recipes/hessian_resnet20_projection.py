"""The Hessian of the second convolution of the thesis's ResNet 20."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigentrail.recipes.framework.recipe import recipe

if TYPE_CHECKING:
    from eigentrail.recipes.framework.study import Study


@recipe(
    "hessian-resnet20-projection",
    source="S1 figure 7.3",
    network="resnet20-projection",
    data="cifar10",
    formerly=("hessian-resnet20",),
    minutes="20 minutes; full: 18 hours",
    disk="10 MB; full: 2 GB",
)
def hessian_resnet20_projection() -> Study:
    """The Hessian of the second convolution of ResNet 20."""
    from eigentrail.recipes import resnet20_projection
    from eigentrail.recipes.framework.study import Study
    from eigentrail.recipes.shared.curvature_claims import curvature_claims

    layer = "layer1.0.conv1.weight"
    return Study(
        resnet20_projection.preset(),
        analyses=("curvature",),
        analysed=(layer,),
        claims=curvature_claims("hessian-resnet20-projection", layer),
    )
