"""The convolutions of LeNet at every step; figures 7.3 and 7.6 of the source look at them."""

from __future__ import annotations

from eigentrail.recipes.framework.study import Study

RECIPE = Study(
    "lenet",
    "lenet",
    "the convolutions of LeNet at every step; figures 7.3 and 7.6 of the source look at them",
    "3 minutes; full: 1 hour",
    "60 MB; full: 1.8 GB",
)
