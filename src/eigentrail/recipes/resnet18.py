"""The first steps of ResNet-18; full: how weight decay lowers its ranks."""

from __future__ import annotations

from eigentrail.recipes.framework.study import Study

RECIPE = Study(
    "resnet18",
    "resnet18",
    "the first steps of ResNet-18; full: how weight decay lowers its ranks",
    "5 minutes; full: 32 days",
    "460 MB; full: 16 GB",
)
