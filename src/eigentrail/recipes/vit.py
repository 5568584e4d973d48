"""The first steps of a small vision transformer; at the source's size how weight decay lowers its ranks."""

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
    minutes="15 minutes; full: 2 months",
    disk="920 MB; full: 26 GB",
)
def vit() -> SweptStudy:
    """The first steps of a small vision transformer with and without weight decay; full: its ranks."""
    from eigentrail.recipes.framework.swept import SweptStudy
    from eigentrail.recipes.shared import rank_paper
    from eigentrail.recipes.shared.claims import decay_lowers_ranks
    from eigentrail.recipes.shared.sizes import small
    from eigentrail.training import Step

    return SweptStudy(
        rank_paper.preset(
            {"patches.weight": 1, "*": 50},
            small(1280, 200, epochs=3, layers={"patches.weight": 1, "blocks.2.fc1.weight": 1, "*": 40}),
            "batch size 32",
            lr=4e-2,
            batch_size=32,
            epochs=200,
            schedule=Step(at=(60, 100), gamma=0.2),
        ),
        sweep="vit",
        answers=(decay_lowers_ranks("vit"),),
    )
