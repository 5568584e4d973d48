"""The first steps of a small vision transformer; at the source's size how weight decay lowers its ranks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigentrail.recipes.framework.recipe import recipe

if TYPE_CHECKING:
    from eigentrail.recipes.framework.study import Study


@recipe(
    "vit",
    source="S4 B",
    network="vit",
    data="cifar10",
    minutes="7 minutes; full: 7 days",
    disk="410 MB; full: 95 GB",
)
def vit() -> Study:
    """The first steps of a small vision transformer; full: how weight decay lowers its ranks."""
    from eigentrail.recipes.framework.study import Study
    from eigentrail.recipes.shared import rank_paper
    from eigentrail.recipes.shared.sizes import small
    from eigentrail.training import Step

    return Study(
        rank_paper.preset(
            {"patches.weight": 1, "*": 50},
            small(1280, 200, epochs=3, layers={"patches.weight": 1, "blocks.2.fc1.weight": 1, "*": 40}),
            "batch size 32",
            lr=4e-2,
            batch_size=32,
            epochs=200,
            schedule=Step(at=(60, 100), gamma=0.2),
        )
    )
