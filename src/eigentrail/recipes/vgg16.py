"""The first steps of VGG-16; full: how weight decay lowers its ranks."""

from __future__ import annotations

from eigentrail.recipes.framework.study import Study

RECIPE = Study(
    "vgg16",
    "vgg16",
    "the first steps of VGG-16; full: how weight decay lowers its ranks",
    "5 minutes; full: 14 days",
    "820 MB; full: 18 GB",
)
