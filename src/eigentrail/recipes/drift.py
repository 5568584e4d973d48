"""The drift mode of MLP 256 with and without weight decay, at five rates, with frozen later layers; its claims."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigentrail.recipes.framework.recipe import recipe

if TYPE_CHECKING:
    from eigentrail.recipes.experiments.drift_study import DriftStudy


@recipe(
    "drift",
    source="S1 6",
    network="mlp256",
    data="digits",
    source_data="cifar10",
    minutes="9 minutes, 45 on CIFAR-10; full: 2 hours",
    disk="1.8 GB, 8 GB on CIFAR-10; full: 9 GB",
)
def drift() -> DriftStudy:
    """The drift mode with and without weight decay, at five rates, with frozen later layers; its claims."""
    from eigentrail.recipes import mlp256
    from eigentrail.recipes.experiments.drift_study import DriftStudy
    from eigentrail.recipes.shared.sizes import small

    size = small(
        4000,
        1000,
        why="a larger rate, so that the training set is learned in so few steps",
        lr=0.05,
        epochs=80,
    )
    return DriftStudy(
        mlp256.preset().model_copy(update={"on": {}, "two_cores": size}),
        changes={"digits": {"epochs": 160}},
        chosen={"digits": "160 epochs on the digits, which have a third of the steps in each"},
        only=("evolution", "pca", "drift", "overlap"),
        analyses=("add-back", "landscape", "loss-scaling"),
        studied="fc3.weight",
        seeds=(1, 3),
        later=("fc4.*",),
    )
