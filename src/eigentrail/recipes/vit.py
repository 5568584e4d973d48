"""The first steps of a small vision transformer; full: how weight decay lowers its ranks."""

from __future__ import annotations

from eigentrail.recipes.framework.study import Study

RECIPE = Study(
    "vit",
    "vit",
    "the first steps of a small vision transformer; full: how weight decay lowers its ranks",
    "7 minutes; full: 7 days",
    "410 MB; full: 95 GB",
)
