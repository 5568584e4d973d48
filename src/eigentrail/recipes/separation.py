"""S3: within-class variability falls by the same factor from layer to layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eigentrail.recipes.framework.claim_study import ClaimStudy, Measures


def _measure(seeds: Sequence[int], size: Any) -> Measures:
    from eigentrail.recipes.experiments.feature_geometry import separation

    return separation.run(tuple(seeds), size)


RECIPE = ClaimStudy(
    "separation",
    "S3 part 1",
    "the law of progressive separation in linear and ReLU networks: log D falls linearly with depth",
    "2 minutes; full: 30 minutes, needs MNIST and Fashion-MNIST",
    "1 MB",
    _measure,
    seeds=3,
)
