"""The same for a residual dense network."""

from __future__ import annotations

from eigentrail.recipes.framework.study import Study

RECIPE = Study(
    "res-bn",
    "res-bn",
    "the same for a residual dense network",
    "4 minutes; full: 7 hours",
    "1.1 GB; full: 20 GB",
    analysed=(
        "first.weight",
        "blocks.0.fc1.weight",
        "blocks.2.fc1.weight",
        "blocks.4.fc2.weight",
        "last.weight",
    ),
)
