"""The thesis's ResNet 20, with projection shortcuts, batch norm and momentum."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigentrail.recipes.framework.recipe import recipe

if TYPE_CHECKING:
    from eigentrail.recipes.framework.study import Study
    from eigentrail.training import Preset


def preset() -> Preset:
    """How the thesis trains its ResNet 20."""
    from eigentrail.recipes.shared.choices import DECAY, LAST, SCALING
    from eigentrail.recipes.shared.sizes import small
    from eigentrail.training import Preset, Step, TrainingSettings

    return Preset(
        settings=TrainingSettings(
            lr=1e-3, momentum=0.9, weight_decay=2e-4, batch_size=128, epochs=160, schedule=Step(at=(80, 120))
        ),
        layers={"layer1.0.conv1.weight": 1, "*": 50},
        two_cores=small(
            2000, 500, why="few steps need a larger rate and small batches", epochs=5, batch_size=32, lr=0.01
        ),
        chosen=(SCALING, f"{DECAY}, those of batch norm too", LAST),
    )


@recipe(
    "resnet20-projection",
    source="S1 5.2",
    network="resnet20-projection",
    data="cifar10",
    formerly=("resnet20",),
    minutes="2 minutes; full: 17 hours",
    disk="40 MB; full: 2 GB",
)
def resnet20_projection() -> Study:
    """The thesis's ResNet 20 with batch norm and momentum."""
    from eigentrail.recipes.framework.study import Study
    from eigentrail.recipes.shared.accuracy_claims import accuracy_claim

    return Study(preset(), claims=(accuracy_claim("resnet20-projection"),))
