"""Does weight decay lower the ranks of a residual dense network? On two cores, of one a fifth as wide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigentrail.recipes.framework.recipe import recipe

if TYPE_CHECKING:
    from eigentrail.recipes.framework.swept import SweptStudy


@recipe(
    "res-bn-5-500",
    source="S4 B",
    network="res-bn-5-500",
    data="cifar10",
    formerly=("res-bn",),
    minutes="4 minutes; full: 3 days",
    disk="400 MB; full: 22 GB",
)
def res_bn_5_500() -> SweptStudy:
    """Does weight decay lower the ranks of a residual dense network? Runs with and without it."""
    from eigentrail.recipes.framework.swept import SweptStudy
    from eigentrail.recipes.shared import rank_paper
    from eigentrail.recipes.shared.claims import decay_lowers_ranks
    from eigentrail.recipes.shared.sizes import small

    return SweptStudy(
        rank_paper.preset(
            rank_paper.at_ends("last.weight", 2),
            small(
                3000,
                500,
                network="res-bn-5-100",
                why=rank_paper.SMALLER,
                epochs=20,
                weight_decay=1e-1,
                layers={"last.weight": 1, "blocks.2.fc1.weight": 10, "*": 50},
            ),
            "rate 0.025 (0.1 diverged within 61 steps here) and batch size 32",
            rank_paper.rarer("the last layer (a block's layer would take 780 GB)", "250 GB"),
            lr=0.025,
            batch_size=32,
        ),
        analysed=(
            "first.weight",
            "blocks.0.fc1.weight",
            "blocks.2.fc1.weight",
            "blocks.4.fc2.weight",
            "last.weight",
        ),
        sweep="res-bn",
        answers=(decay_lowers_ranks("res-bn-5-500"),),
    )
