"""Random orders of steps: what has no order in time is as likely in any of them."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int64


def permutations(count: int, draws: int, seed: int) -> Int64[np.ndarray, "d t"]:
    """Draw orders of the steps.

    Args:
        count: how many steps.
        draws: how many orders.
        seed: seed of the draws.

    Returns:
        [draws, count] permutations of 0 .. count - 1.
    """
    rng = np.random.default_rng([seed, draws, count])
    return np.argsort(rng.random((draws, count)), axis=1).astype(np.int64)
