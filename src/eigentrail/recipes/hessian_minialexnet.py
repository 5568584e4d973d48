"""S1 figure 7.3: the Hessians of the first convolution and of the last layer of miniAlexNet."""

from __future__ import annotations

from eigentrail.recipes.framework.study import Study

RECIPE = Study(
    "hessian-minialexnet",
    "mini-alexnet-s1",
    "S1 figure 7.3: the Hessians of the first convolution and of the last layer of miniAlexNet",
    "25 minutes; full: 15 hours",
    "90 MB; full: 28 GB",
    analyses=("curvature",),
    analysed=("conv1.weight", "fc3.weight"),
)
