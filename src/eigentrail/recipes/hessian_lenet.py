"""S1 figures 7.3 and 7.6: the Hessians of LeNet's convolutions."""

from __future__ import annotations

from eigentrail.recipes.framework.study import Study

RECIPE = Study(
    "hessian-lenet",
    "lenet",
    "S1 figures 7.3 and 7.6: the Hessians of LeNet's convolutions",
    "10 minutes; full: 2 hours",
    "60 MB; full: 1.8 GB",
    analyses=("curvature",),
    analysed=("conv1.weight", "conv2.weight"),
)
