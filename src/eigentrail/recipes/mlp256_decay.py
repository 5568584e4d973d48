"""The same with weight decay: how the bulk shrinks and the ranks fall."""

from __future__ import annotations

from eigentrail.recipes.framework.study import Study

RECIPE = Study(
    "mlp256-decay",
    "mlp256-decay",
    "the same with weight decay: how the bulk shrinks and the ranks fall",
    "10 minutes; full: 1 hour",
    "3.3 GB; full: 32 GB",
)
