"""MLP 256 with weight decay: how the bulk shrinks and the ranks fall."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigentrail.recipes.framework.recipe import recipe

if TYPE_CHECKING:
    from eigentrail.recipes.framework.study import Study


@recipe(
    "mlp256-decay",
    source="S1 5.2",
    network="mlp256",
    data="cifar10",
    minutes="10 minutes; full: 1 hour",
    disk="3.3 GB; full: 32 GB",
)
def mlp256_decay() -> Study:
    """MLP 256 with weight decay: how the bulk shrinks and the ranks fall."""
    from eigentrail.recipes import mlp256
    from eigentrail.recipes.framework.study import Study
    from eigentrail.recipes.shared.choices import DECAY
    from eigentrail.recipes.shared.claims import rank_falls

    # lambda = 5e-4 in the source.
    layers = ("fc1.weight", "fc2.weight", "fc3.weight")
    claims = tuple(rank_falls("mlp256-decay", "S4", layer) for layer in layers)
    return Study(mlp256.preset(1e-3, (DECAY,)), claims=claims)
