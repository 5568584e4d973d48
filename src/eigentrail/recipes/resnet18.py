"""Does weight decay lower the ranks of ResNet-18? On two cores, of one with an eighth of its channels."""

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
    minutes="5 minutes; full: 10 months",
    disk="90 MB; full: 50 GB",
)
def resnet18() -> SweptStudy:
    """Does weight decay lower the ranks of ResNet-18? Runs with and without it."""
    from eigentrail.recipes.framework.swept import SweptStudy
    from eigentrail.recipes.shared import rank_paper
    from eigentrail.recipes.shared.claims import decay_lowers_ranks
    from eigentrail.recipes.shared.sizes import small

    return SweptStudy(
        rank_paper.preset(
            rank_paper.at_ends("conv1.weight", 5),
            small(
                500,
                500,
                network="resnet-18-8",
                why=rank_paper.SMALLER,
                epochs=10,
                batch_size=8,
                weight_decay=5e-2,
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
