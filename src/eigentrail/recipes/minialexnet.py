"""How the spikes of FC1 and FC2 are born without explicit regularisation; their leading vectors' paths."""

from __future__ import annotations

from eigentrail.recipes.framework.study import Study

RECIPE = Study(
    "minialexnet",
    "minialexnet",
    "how the spikes of FC1 and FC2 are born without explicit regularisation; their leading vectors' paths",
    "4 minutes; full: 7 hours",
    "790 MB; full: 35 GB",
)
