"""The four layers of MLP 256 without weight decay; its 128 x 64 layer at every step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigentrail.recipes.framework.recipe import recipe

if TYPE_CHECKING:
    from eigentrail.recipes.framework.study import Study
    from eigentrail.training import Preset


def preset(weight_decay: float = 0.0, chosen: tuple[str, ...] = ()) -> Preset:
    """How the source trains MLP 256.

    Args:
        weight_decay: torch's, twice the source's lambda.
        chosen: what else was chosen.

    Returns:
        The settings.
    """
    from eigentrail.recipes.shared.choices import LAST, SCALING
    from eigentrail.training import Exponential, Preset, TrainingSettings
    from eigentrail.training.preset import Smaller, TwoCores

    return Preset(
        settings=TrainingSettings(
            lr=0.01, batch_size=32, epochs=200, schedule=Exponential(gamma=0.99), weight_decay=weight_decay
        ),
        # The studied 128 x 64 layer at every step, the network now and then.
        layers={"fc3.weight": 1, "*": 50},
        on={"digits": Smaller(epochs=100)},
        two_cores=TwoCores(settings={"epochs": 20}),
        chosen=(SCALING, LAST, *chosen),
    )


@recipe(
    "mlp256",
    source="S1 5.2",
    network="mlp256",
    data="cifar10",
    minutes="10 minutes; full: 1 hour",
    disk="3.3 GB; full: 32 GB",
)
def mlp256() -> Study:
    """The four layers of MLP 256 without weight decay; its 128 x 64 layer at every step."""
    from eigentrail.recipes.framework.study import Study
    from eigentrail.recipes.shared.accuracy_claims import accuracy_claim
    from eigentrail.recipes.shared.claims import bulk_stays, spikes_are_born

    claims = tuple(
        made("mlp256", "S0", layer) for layer in ("fc3.weight",) for made in (spikes_are_born, bulk_stays)
    )
    return Study(preset(), claims=(accuracy_claim("mlp256"), *claims))
