"""The first steps of ResNet-18; at the source's size how weight decay lowers its ranks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigentrail.recipes.framework.recipe import recipe

if TYPE_CHECKING:
    from eigentrail.recipes.framework.study import Study


@recipe(
    "resnet18",
    source="S4 5",
    network="resnet18",
    data="cifar10",
    minutes="5 minutes; full: 32 days",
    disk="460 MB; full: 16 GB",
)
def resnet18() -> Study:
    """The first steps of ResNet-18; full: how weight decay lowers its ranks."""
    from eigentrail.recipes.framework.study import Study
    from eigentrail.recipes.shared import rank_paper
    from eigentrail.recipes.shared.sizes import small

    return Study(
        rank_paper.preset(
            rank_paper.at_ends("conv1.weight", 5),
            small(
                480,
                100,
                epochs=1,
                layers={"conv1.weight": 1, "layer1.0.conv1.weight": 1, "linear.weight": 1, "*": 15},
            ),
            "rate 0.1 and batch size 16",
            rank_paper.rarer("the first convolution", "1.4 TB"),
            lr=0.1,
            batch_size=16,
        )
    )
