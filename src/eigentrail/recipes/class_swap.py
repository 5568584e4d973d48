"""What the leading directions do when five classes give way to the other five, beside trainings without a swap."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigentrail.recipes.framework.recipe import recipe

if TYPE_CHECKING:
    from eigentrail.recipes.experiments.swap_study import SwapStudy


@recipe(
    "class-swap",
    source="S0",
    network="mini-alexnet-s0",
    data="cifar10",
    minutes="20 minutes, 4 on the digits; full: 8 hours",
    disk="2 GB; full: 36 GB",
)
def class_swap() -> SwapStudy:
    """What leading directions do when five classes give way to five others, beside a control without a swap."""
    from eigentrail.recipes import mini_alexnet_s0
    from eigentrail.recipes.experiments.swap_study import SwapStudy

    return SwapStudy(
        mini_alexnet_s0.preset(
            ((0, tuple(range(5))), (50, tuple(range(5, 10)))),
            ("the network keeps its ten outputs throughout",),
        ),
        changes={
            "digits": {
                "epochs": 40,
                "phases": [{"start": 0, "classes": range(5)}, {"start": 20, "classes": range(5, 10)}],
            }
        },
        chosen={"digits": "40 epochs on the digits, with the swap in the middle"},
        only=("evolution", "geodesic", "crossings", "subspaces"),
        studied="fc2.weight",
    )
