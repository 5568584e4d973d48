"""Does weight decay lower the ranks of VGG-16? On two cores, of one with an eighth of its channels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigentrail.recipes.framework.recipe import recipe

if TYPE_CHECKING:
    from eigentrail.recipes.framework.swept import SweptStudy


@recipe(
    "vgg16",
    source="S4 B",
    network="vgg16",
    data="cifar10",
    minutes="4 minutes; full: 4 months",
    disk="140 MB; full: 78 GB",
)
def vgg16() -> SweptStudy:
    """Does weight decay lower the ranks of VGG-16? Runs with and without it."""
    from eigentrail.recipes.framework.swept import SweptStudy
    from eigentrail.recipes.shared import rank_paper
    from eigentrail.recipes.shared.claims import decay_lowers_ranks
    from eigentrail.recipes.shared.sizes import small

    return SweptStudy(
        rank_paper.preset(
            rank_paper.at_ends("features.0.weight", 5),
            small(
                500,
                500,
                network="vgg-16-8",
                why=rank_paper.SMALLER,
                epochs=12,
                batch_size=8,
                lr=0.1,
                weight_decay=5e-2,
                layers={"features.0.weight": 1, "features.7.weight": 1, "classifier.weight": 1, "*": 20},
            ),
            "batch size 16",
            rank_paper.rarer("the first convolution", "1.8 TB"),
            lr=5e-3,
            batch_size=16,
        ),
        sweep="vgg16",
        answers=(decay_lowers_ranks("vgg16"),),
    )
