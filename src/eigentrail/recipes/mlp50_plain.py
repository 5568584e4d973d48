"""MLP 50 at the source's own rate 0.01 without weight decay: what 4500 slow steps can and cannot move."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigentrail.recipes.framework.recipe import recipe

if TYPE_CHECKING:
    from eigentrail.recipes.framework.study import Study


@recipe(
    "mlp50-plain",
    source="S1 5.2",
    network="mlp50",
    data="digits",
    source_data="mnist",
    minutes="2 minutes, 5 on MNIST; full: 1 hour",
    disk="125 MB, 0.4 GB on MNIST; full: 6 GB",
)
def mlp50_plain() -> Study:
    """MLP 50 at the source's own rate 0.01 without weight decay: what 4500 slow steps can and cannot move."""
    from eigentrail.recipes import mlp50
    from eigentrail.recipes.framework.study import OTHER, Study
    from eigentrail.recipes.shared.accuracy_claims import accuracy_claim
    from eigentrail.recipes.shared.claims import bulk_stays, spikes_are_born

    return Study(
        mlp50.preset(),
        changes={"digits": {"epochs": 100}, OTHER: mlp50.SHORT},
        chosen={
            "digits": "100 epochs on the digits, whose epochs have 45 steps instead of MNIST's 1875",
            OTHER: mlp50.WHY_SHORT,
        },
        claims=(
            accuracy_claim("mlp50-plain"),
            *(
                made("mlp50-plain", "S0", layer)
                for layer in ("fc1.weight", "fc2.weight")
                for made in (spikes_are_born, bulk_stays)
            ),
        ),
    )
