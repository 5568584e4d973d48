"""S3: how the singular values and directions of a deep linear network move in a small subspace only."""

from __future__ import annotations

from eigentrail.recipes.framework.study import Study

RECIPE = Study(
    "deep-linear",
    "deep-linear",
    "S3: how the singular values and directions of a deep linear network move in a small subspace only",
    "10 minutes; full: the same",
    "60 MB; full: the same",
)
