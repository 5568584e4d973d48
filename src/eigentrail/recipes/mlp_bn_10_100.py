"""Does weight decay lower the ranks of a deep dense network with batch norm?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigentrail.recipes.framework.recipe import recipe

if TYPE_CHECKING:
    from eigentrail.recipes.framework.swept import SweptStudy


@recipe(
    "mlp-bn-10-100",
    source="S4 B",
    network="mlp-bn-10-100",
    data="cifar10",
    formerly=("mlp-bn",),
    minutes="3 minutes; full: 9 hours",
    disk="390 MB; full: 2.4 GB",
)
def mlp_bn_10_100() -> SweptStudy:
    """Does weight decay lower the ranks of a deep dense network with batch norm? Runs with and without it."""
    from eigentrail.recipes.framework.swept import SweptStudy
    from eigentrail.recipes.shared import rank_paper
    from eigentrail.recipes.shared.claims import decay_lowers_ranks
    from eigentrail.recipes.shared.sizes import small

    return SweptStudy(
        rank_paper.preset(
            {"fc5.weight": 1, "*": 50},
            small(2000, 500, why=rank_paper.LARGER, epochs=24, weight_decay=2e-2),
            "batch size 32",
            lr=0.1,
            batch_size=32,
        ),
        sweep="mlp-bn",
        answers=(decay_lowers_ranks("mlp-bn-10-100"),),
    )
