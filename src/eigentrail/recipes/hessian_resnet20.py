"""S1 figure 7.3: the Hessian of the second convolution of ResNet 20."""

from __future__ import annotations

from eigentrail.recipes.framework.study import Study

RECIPE = Study(
    "hessian-resnet20",
    "resnet20",
    "S1 figure 7.3: the Hessian of the second convolution of ResNet 20",
    "20 minutes; full: 18 hours",
    "10 MB; full: 2 GB",
    analyses=("curvature",),
    analysed=("layer1.0.conv1.weight",),
)
