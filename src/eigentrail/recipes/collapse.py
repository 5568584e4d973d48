"""S3: neural collapse grows over the training and with depth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eigentrail.recipes.framework.claim_study import ClaimStudy, Measures


def _measure(seeds: Sequence[int], size: Any) -> Measures:
    from eigentrail.recipes.experiments.feature_geometry import collapse

    return collapse.run(tuple(seeds), size)


RECIPE = ClaimStudy(
    "collapse",
    "S3 part 3",
    "neural collapse by layer over the training of a classifier, on training and held-out samples",
    "1 minute; full: 10 minutes",
    "1 MB",
    _measure,
    seeds=3,
)
