"""The thesis's ResNet 20 with batch norm and momentum."""

from __future__ import annotations

from eigentrail.recipes.framework.study import Study

RECIPE = Study(
    "resnet20",
    "resnet20",
    "the thesis's ResNet 20 with batch norm and momentum",
    "2 minutes; full: 17 hours",
    "40 MB; full: 2 GB",
)
