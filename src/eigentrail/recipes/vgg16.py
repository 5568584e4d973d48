"""The first steps of VGG-16; at the source's size how weight decay lowers its ranks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigentrail.recipes.framework.recipe import recipe

if TYPE_CHECKING:
    from eigentrail.recipes.framework.study import Study


@recipe(
    "vgg16",
    source="S4 B",
    network="vgg16",
    data="cifar10",
    minutes="5 minutes; full: 14 days",
    disk="820 MB; full: 18 GB",
)
def vgg16() -> Study:
    """The first steps of VGG-16; full: how weight decay lowers its ranks."""
    from eigentrail.recipes.framework.study import Study
    from eigentrail.recipes.shared import rank_paper
    from eigentrail.recipes.shared.sizes import small

    return Study(
        rank_paper.preset(
            rank_paper.at_ends("features.0.weight", 5),
            small(
                480,
                200,
                epochs=2,
                layers={"features.0.weight": 1, "features.7.weight": 1, "classifier.weight": 1, "*": 20},
            ),
            "batch size 16",
            rank_paper.rarer("the first convolution", "1.8 TB"),
            lr=5e-3,
            batch_size=16,
        )
    )
