"""Smaller batches, further phases: the spectrum of FC1 and the generalisation gap at batch sizes 500 to 2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigentrail.recipes.framework.recipe import recipe

if TYPE_CHECKING:
    from eigentrail.recipes.framework.sweep import Sweep


@recipe(
    "batch-size",
    source="S2",
    network="mini-alexnet-s0",
    data="cifar10",
    minutes="15 minutes; full: 3 days",
    disk="1.5 GB; full: 45 GB",
)
def batch_size() -> Sweep:
    """Smaller batches, further phases: the spectrum of FC1 and the generalisation gap at batch sizes 500 to 2."""
    from eigentrail.recipes.framework.sweep import Sweep
    from eigentrail.recipes.shared.choices import LAST, SCALING
    from eigentrail.recipes.shared.sizes import small
    from eigentrail.training import Preset, TrainingSettings

    return Sweep(
        Preset(
            settings=TrainingSettings(lr=0.01, batch_size=32, epochs=100),
            layers={"fc3.weight": 1, "*": "epoch"},
            two_cores=small(1000, 1000, epochs=15),
            chosen=(
                "the source shows spectra by batch size and names no settings: a constant rate of 0.01, neither "
                "momentum nor weight decay, the same number of epochs for all",
                "at equal epochs a smaller batch also makes more steps: the table says how many",
                "the picture shows spectra of trained networks: recorded are the last layer at every step and the net "
                "at ends of epochs, for the eight batch sizes make 4.9 million steps (15 thousand for two cores), of "
                "which FC1 would take 31 TB (93 GB) and the whole net every 50 steps 690 GB (2.1 GB)",
                SCALING,
                LAST,
            ),
        ),
        setting="batch_size",
        values=(500, 250, 100, 32, 16, 8, 4, 2),
        only=("evolution",),
        studied="fc1.weight",
    )
