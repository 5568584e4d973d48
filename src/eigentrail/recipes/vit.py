"""Does weight decay lower the ranks of a small vision transformer? On two cores, of a smaller one still."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigentrail.recipes.framework.recipe import recipe

if TYPE_CHECKING:
    from eigentrail.recipes.framework.swept import SweptStudy


@recipe(
    "vit",
    source="S4 B",
    network="vit",
    data="cifar10",
    minutes="4 minutes; full: 2 months",
    disk="18 MB; full: 14 GB",
)
def vit() -> SweptStudy:
    """Does weight decay lower the ranks of a small vision transformer? Runs with and without it."""
    from eigentrail.recipes.framework.swept import SweptStudy
    from eigentrail.recipes.shared import rank_paper
    from eigentrail.recipes.shared.claims import decay_lowers_ranks
    from eigentrail.recipes.shared.sizes import small
    from eigentrail.training import Step

    return SweptStudy(
        rank_paper.preset(
            {"patches.weight": 1, "*": 50},
            small(
                500,
                500,
                network="vit-3-32",
                why=rank_paper.SMALLER,
                epochs=10,
                batch_size=8,
                lr=0.1,
                weight_decay=5e-2,
                layers={"patches.weight": 1, "blocks.2.fc1.weight": 1, "*": 40},
            ),
            "batch size 32",
            lr=4e-2,
            batch_size=32,
            epochs=200,
            schedule=Step(at=(60, 100), gamma=0.2),
        ),
        sweep="vit",
        answers=(decay_lowers_ranks("vit"),),
    )
