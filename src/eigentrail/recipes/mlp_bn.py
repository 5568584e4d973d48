"""Weight decay lowers the ranks of a deep dense network with batch norm."""

from __future__ import annotations

from eigentrail.recipes.framework.study import Study

RECIPE = Study(
    "mlp-bn",
    "mlp-bn",
    "weight decay lowers the ranks of a deep dense network with batch norm",
    "15 minutes; full: 1 hour",
    "700 MB; full: 56 GB",
)
