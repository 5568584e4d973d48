"""The thesis's miniAlexNet: first convolution and last layer at every step."""

from __future__ import annotations

from eigentrail.recipes.framework.study import Study

RECIPE = Study(
    "mini-alexnet-s1",
    "mini-alexnet-s1",
    "the thesis's miniAlexNet: first convolution and last layer at every step",
    "5 minutes; full: 14 hours",
    "160 MB; full: 28 GB",
)
