"""The first steps of ResNet-18; at the source's size how weight decay lowers its ranks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigentrail.recipes.framework.recipe import recipe

if TYPE_CHECKING:
    from eigentrail.recipes.framework.swept import SweptStudy


@recipe(
    "resnet18",
    source="S4 5",
    network="resnet18",
    data="cifar10",
    minutes="8 minutes; full: 10 months",
    disk="1.3 GB; full: 29 GB",
)
def resnet18() -> SweptStudy:
    """The first steps of ResNet-18 with and without weight decay; full: how decay lowers its ranks."""
    from eigentrail.recipes.framework.swept import SweptStudy
    from eigentrail.recipes.shared import rank_paper
    from eigentrail.recipes.shared.claims import decay_lowers_ranks
    from eigentrail.recipes.shared.sizes import small

    return SweptStudy(
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
        ),
        sweep="resnet18",
        answers=(decay_lowers_ranks("resnet18"),),
    )
