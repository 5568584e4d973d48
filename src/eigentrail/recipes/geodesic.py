"""S0: paths of the leading singular vectors for six seeds at three rates, beside random walks; full."""

from __future__ import annotations

from eigentrail.recipes.experiments.geodesic_study import GeodesicStudy

RECIPE = GeodesicStudy(
    "geodesic",
    "geodesic",
    "S0: paths of the leading singular vectors for six seeds at three rates, beside random walks; full: twenty seeds",
    "3 minutes, 8 on CIFAR-10; full: 17 days",
    "0.4 GB, 5 GB on CIFAR-10; full: 21 GB",
    only=("evolution", "geodesic", "crossings", "subspaces"),
    studied="fc2.weight",
)
