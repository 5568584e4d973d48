"""The thesis's miniAlexNet: first convolution and last layer at every step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigentrail.recipes.framework.recipe import recipe

if TYPE_CHECKING:
    from eigentrail.recipes.framework.study import Study
    from eigentrail.training import Preset


def preset() -> Preset:
    """How the thesis trains its miniAlexNet."""
    from eigentrail.recipes.shared.choices import DECAY, LAST, SCALING
    from eigentrail.recipes.shared.sizes import small
    from eigentrail.training import Exponential, Preset, TrainingSettings

    return Preset(
        settings=TrainingSettings(
            lr=0.01,
            momentum=0.9,
            weight_decay=2e-4,
            decay_on="dense",
            batch_size=32,
            epochs=100,
            schedule=Exponential(gamma=0.95),
        ),
        # The layers of figure 7.3.
        layers={"conv1.weight": 1, "fc3.weight": 1, "*": 50},
        two_cores=small(2000, 500, epochs=8),
        chosen=(SCALING, f"{DECAY} of dense layers", LAST),
    )


@recipe(
    "mini-alexnet-s1",
    source="S1 5.2",
    network="mini-alexnet-s1",
    data="cifar10",
    minutes="5 minutes; full: 14 hours",
    disk="160 MB; full: 28 GB",
)
def mini_alexnet_s1() -> Study:
    """The thesis's miniAlexNet: first convolution and last layer at every step."""
    from eigentrail.recipes.framework.study import Study
    from eigentrail.recipes.shared.accuracy_claims import accuracy_claim

    return Study(preset(), claims=(accuracy_claim("mini-alexnet-s1"),))
