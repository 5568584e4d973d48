"""MLP 50, the thesis's smallest network: spikes are born, how near the bulk stays to Marchenko-Pastur."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigentrail.recipes.framework.recipe import recipe

if TYPE_CHECKING:
    from eigentrail.recipes.framework.study import Study
    from eigentrail.training import Preset


#: The source's 200 epochs of MNIST are an hour; here they are to take minutes on any data.
SHORT = {"epochs": 10}
WHY_SHORT = "fewer epochs, which take minutes instead of an hour"


def preset() -> Preset:
    """How the source trains MLP 50."""
    from eigentrail.recipes.shared.choices import SCALING
    from eigentrail.training import Preset, TrainingSettings
    from eigentrail.training.preset import Smaller

    return Preset(
        settings=TrainingSettings(lr=0.01, batch_size=32, epochs=200),
        layers={"fc2.weight": 1, "*": 50},
        on={"digits": Smaller(epochs=100)},
        chosen=(SCALING, "biases begin at zero, as everywhere in the source", "a constant rate"),
    )


@recipe(
    "mlp50",
    source="S1 5.2",
    network="mlp50",
    data="digits",
    source_data="mnist",
    minutes="2 minutes, 5 on MNIST; full: 1 hour",
    disk="75 MB, 0.4 GB on MNIST; full: 6 GB",
)
def mlp50() -> Study:
    """Spikes are born; how near the bulk stays to Marchenko-Pastur (S0's first claim)."""
    from eigentrail.recipes.framework.study import OTHER, Study
    from eigentrail.recipes.shared.claims import bulk_stays, spikes_are_born

    return Study(
        preset(),
        changes={"digits": {"lr": 0.1, "weight_decay": 1e-3, "epochs": 60}, OTHER: SHORT},
        chosen={
            "digits": "on the digits, whose epochs have 45 steps instead of MNIST's 1875, the rate is larger, and "
            "the weight decay is the lambda = 5e-4 that the source uses for MLP 256",
            OTHER: WHY_SHORT,
        },
        claims=tuple(
            made("mlp50", "S0", layer)
            for layer in ("fc1.weight", "fc2.weight")
            for made in (spikes_are_born, bulk_stays)
        ),
    )
