"""The convolutions of LeNet at every step; figures 7.3 and 7.6 of the source look at them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigentrail.recipes.framework.recipe import recipe

if TYPE_CHECKING:
    from eigentrail.recipes.framework.study import Study
    from eigentrail.training import Preset


def preset() -> Preset:
    """How the source trains LeNet."""
    from eigentrail.recipes.shared.choices import DECAY, LAST, SCALING
    from eigentrail.recipes.shared.sizes import small
    from eigentrail.training import Exponential, Preset, TrainingSettings

    return Preset(
        settings=TrainingSettings(
            lr=0.005,
            momentum=0.9,
            weight_decay=2e-4,
            batch_size=64,
            epochs=100,
            schedule=Exponential(gamma=0.98),
        ),
        layers={"conv*.weight": 1, "*": 50},
        two_cores=small(10_000, 2000, epochs=20),
        chosen=(
            SCALING,
            DECAY,
            "the printed final rate .00134 belongs to MLP 256: this schedule ends at 6.6e-4",
            LAST,
        ),
    )


@recipe(
    "lenet",
    source="S1 5.2",
    network="lenet",
    data="cifar10",
    minutes="3 minutes; full: 1 hour",
    disk="60 MB; full: 1.8 GB",
)
def lenet() -> Study:
    """The convolutions of LeNet at every step; figures 7.3 and 7.6 of the source look at them."""
    from eigentrail.recipes.framework.study import Study
    from eigentrail.recipes.shared.accuracy_claims import accuracy_claim
    from eigentrail.recipes.shared.claims import bulk_stays, spikes_are_born

    claims = tuple(
        made("lenet", "S0", layer)
        for layer in ("conv1.weight", "conv2.weight")
        for made in (spikes_are_born, bulk_stays)
    )
    return Study(preset(), claims=(accuracy_claim("lenet"), *claims))
