"""How the spikes of FC1 and FC2 of MiniAlexNet are born without explicit regularisation; their vectors' paths."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigentrail.recipes.framework.recipe import recipe

if TYPE_CHECKING:
    from eigentrail.recipes.framework.study import Study
    from eigentrail.training import Preset


def preset(phases: tuple[tuple[int, tuple[int, ...]], ...] = (), chosen: tuple[str, ...] = ()) -> Preset:
    """How S0 trains its MiniAlexNet.

    Args:
        phases: of classes: the epoch that each begins with, and the classes.
        chosen: what else was chosen.

    Returns:
        The settings.
    """
    from eigentrail.recipes.shared.choices import LAST, SCALING
    from eigentrail.recipes.shared.sizes import small
    from eigentrail.training import ClassPhase, Preset, TrainingSettings

    return Preset(
        settings=TrainingSettings(
            lr=0.01,
            momentum=0.9,
            batch_size=64,
            epochs=100,
            phases=tuple(ClassPhase(start=start, classes=classes) for start, classes in phases),
        ),
        # FC2 at every step; FC1 has five times its numbers.
        layers={"fc2.weight": 1, "*": 50},
        two_cores=small(
            2000,
            1000,
            epochs=20,
            phases=[{"start": start // 5, "classes": list(classes)} for start, classes in phases],
        ),
        chosen=(
            "the source names neither rate, batch size nor momentum: 0.01, 64 and 0.9, no weight decay and a constant "
            "rate",
            SCALING,
            LAST,
            *chosen,
        ),
    )


@recipe(
    "mini-alexnet-s0",
    source="S0",
    network="mini-alexnet-s0",
    data="cifar10",
    formerly=("minialexnet",),
    minutes="10 minutes; full: 7 hours",
    disk="0.4 GB; full: 35 GB",
)
def mini_alexnet_s0() -> Study:
    """How the spikes of FC1 and FC2 are born without explicit regularisation; their leading vectors' paths."""
    from eigentrail.recipes.framework.study import Study
    from eigentrail.recipes.shared.claims import spikes_are_born

    layers = ("fc1.weight", "fc2.weight")
    return Study(preset(), claims=tuple(spikes_are_born("mini-alexnet-s0", "S0", layer) for layer in layers))
