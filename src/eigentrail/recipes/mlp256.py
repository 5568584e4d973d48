"""The four layers of MLP 256 without weight decay; its 128 x 64 layer at every step."""

from __future__ import annotations

from eigentrail.recipes.framework.study import Study

RECIPE = Study(
    "mlp256",
    "mlp256",
    "the four layers of MLP 256 without weight decay; its 128 x 64 layer at every step",
    "10 minutes; full: 1 hour",
    "3.3 GB; full: 32 GB",
)
