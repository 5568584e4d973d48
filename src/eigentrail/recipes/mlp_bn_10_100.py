"""Weight decay lowers the ranks of a deep dense network with batch norm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigentrail.recipes.framework.recipe import recipe

if TYPE_CHECKING:
    from eigentrail.recipes.framework.study import Study


@recipe(
    "mlp-bn-10-100",
    source="S4 B",
    network="mlp-bn-10-100",
    data="cifar10",
    formerly=("mlp-bn",),
    minutes="15 minutes; full: 1 hour",
    disk="700 MB; full: 56 GB",
)
def mlp_bn_10_100() -> Study:
    """Weight decay lowers the ranks of a deep dense network with batch norm."""
    from eigentrail.recipes.framework.study import Study
    from eigentrail.recipes.shared import rank_paper
    from eigentrail.recipes.shared.claims import rank_falls
    from eigentrail.recipes.shared.sizes import small

    return Study(
        rank_paper.preset(
            {"fc5.weight": 1, "*": 50},
            small(10_000, 2000, why=rank_paper.LARGER, epochs=20, weight_decay=5e-3),
            "batch size 32",
            lr=0.1,
            batch_size=32,
        ),
        claims=tuple(rank_falls("mlp-bn-10-100", "S4", f"fc{number}.weight") for number in range(2, 11)),
    )
