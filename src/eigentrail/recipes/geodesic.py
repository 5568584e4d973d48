"""Paths of the leading singular vectors of MiniAlexNet for several seeds at three rates, beside random walks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eigentrail.recipes.framework.recipe import recipe

if TYPE_CHECKING:
    from eigentrail.recipes.experiments.geodesic_study import GeodesicStudy


@recipe(
    "geodesic",
    source="S0",
    network="mini-alexnet-s0",
    data="digits",
    source_data="cifar10",
    minutes="20 minutes, 60 on CIFAR-10; full: 17 days",
    disk="1.6 GB, 9 GB on CIFAR-10; full: 58 GB",
)
def geodesic() -> GeodesicStudy:
    """Paths of the leading singular vectors for six seeds at three rates, beside random walks; full: twenty seeds."""
    from eigentrail.recipes import mini_alexnet_s0
    from eigentrail.recipes.experiments.geodesic_study import GeodesicStudy
    from eigentrail.recipes.shared.sizes import small
    from eigentrail.runs.schedules import EveryEpochs

    own = mini_alexnet_s0.preset(
        chosen=(
            "the source's paths have a point after each epoch, and so have these: sixty trainings recorded as "
            "`mini-alexnet-s0` is would take 2 TB (eighteen for two cores 9 GB)",
        )
    )
    recorded = {"fc1.weight": "epoch", "fc2.weight": "epoch", "*": EveryEpochs(every=50)}
    return GeodesicStudy(
        own.model_copy(
            update={"layers": recorded, "two_cores": small(1000, 500, epochs=50, layers=recorded)}
        ),
        only=("evolution", "geodesic", "crossings", "subspaces"),
        studied="fc2.weight",
        beside=("fc1.weight",),
    )
