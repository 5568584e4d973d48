"""S3: how little of a network has to be tuned, and whether collapse predicts transfer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eigentrail.recipes.framework.claim_study import ClaimStudy, Measures


def _measure(seeds: Sequence[int], size: Any) -> Measures:
    from eigentrail.recipes.experiments.feature_geometry import transfer

    return transfer.run(tuple(seeds), size)


RECIPE = ClaimStudy(
    "transfer",
    "S3 part 3",
    "linear probe, one layer, one layer with a skip connection, all: accuracy against share trained; collapse "
    "against transfer",
    "4 minutes; full: 2 hours",
    "1 MB",
    _measure,
    seeds=3,
)
