"""Smaller batches, further phases: the spectrum of FC1 and the generalisation gap at batch sizes 500 to 2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigentrail.recipes.framework.recipe import recipe

if TYPE_CHECKING:
    from eigentrail.recipes.framework.swept import SweptStudy


@recipe(
    "batch-size",
    source="S2",
    network="mini-alexnet-s0",
    data="cifar10",
    minutes="5 minutes; full: 9 days",
    disk="490 MB; full: 135 GB",
)
def batch_size() -> SweptStudy:
    """Smaller batches, further phases: the spectrum of FC1 and the generalisation gap at batch sizes 500 to 2."""
    from eigentrail.findings import Claim, greater_than
    from eigentrail.recipes.framework.swept import SweptClaim, SweptStudy
    from eigentrail.recipes.shared.choices import LAST, SCALING
    from eigentrail.recipes.shared.sizes import small
    from eigentrail.training import Preset, TrainingSettings

    return SweptStudy(
        Preset(
            settings=TrainingSettings(lr=0.01, batch_size=32, epochs=100),
            layers={"fc3.weight": 1, "*": "epoch"},
            two_cores=small(
                2000, 1000, network="lenet", why="small enough for steps of two images", epochs=10
            ),
            chosen=(
                "the source shows spectra by batch size and names no settings: a constant rate of 0.01, neither "
                "momentum nor weight decay, the same number of epochs for all",
                "at equal epochs a smaller batch also makes more steps: the table says how many",
                "the picture shows spectra of trained networks: recorded are the last layer at every step and the net "
                "at ends of epochs, for the eight batch sizes make 4.9 million steps (20 thousand for two cores), of "
                "which FC1 would take 31 TB (9.7 GB) and the whole net every 50 steps 690 GB (220 MB)",
                SCALING,
                LAST,
            ),
        ),
        sweep="batch-size",
        answers=(
            SweptClaim(
                Claim(
                    "batch-size-alpha",
                    "S2",
                    "Smaller batches give FC1 a heavier tail.",
                    "alpha of fc1 at batch size 500 minus that at 2",
                    greater_than(0.0),
                    needs=("alpha",),
                ),
                "batch_size",
                "alpha@fc1.weight",
            ),
            SweptClaim(
                Claim(
                    "batch-size-gap",
                    "S2",
                    "Smaller batches close the generalisation gap.",
                    "training minus test accuracy at batch size 500 minus that at 2",
                    greater_than(0.0),
                ),
                "batch_size",
                "gap",
            ),
        ),
    )
