"""Accuracy against the rank that FC1, FC2 and FC3 of MiniAlexNet are cut to, with the number of spikes beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigentrail.recipes.framework.recipe import recipe

if TYPE_CHECKING:
    from eigentrail.recipes.framework.study import Study


@recipe(
    "acc-k",
    source="S0",
    network="mini-alexnet-s0",
    data="digits",
    source_data="cifar10",
    minutes="4 minutes, 20 on CIFAR-10; full: 2 days",
    disk="0.9 GB, 1 GB on CIFAR-10; full: 180 GB",
)
def acc_k() -> Study:
    """Accuracy against the rank of FC1, FC2, FC3: cut, shrunk by James-Stein, denoised; the spikes beside it."""
    from eigentrail.recipes import mini_alexnet_s0
    from eigentrail.recipes.framework.study import Study
    from eigentrail.recipes.shared.rank_claims import rank_claims
    from eigentrail.recipes.shared.sizes import small

    own = mini_alexnet_s0.preset()
    layers = ("fc1.weight", "fc2.weight", "fc3.weight")
    return Study(
        own.model_copy(update={"two_cores": small(2000, 1000, epochs=8)}),
        changes={"digits": {"epochs": 20}},
        chosen={"digits": "20 epochs on the digits, so that two cores carry five seeds"},
        only=("evolution",),
        analyses=("acc-k",),
        analysed=layers,
        claims=tuple(claim for layer in layers for claim in rank_claims(layer)),
        seeds=(5, 5),
    )
