"""Random displacements of a matrix: where walks without direction are when they have come as far."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float64


def displaced(
    start: Float64[np.ndarray, "n m"], distance: float, draws: int, seed: int
) -> Iterator[Float64[np.ndarray, "n m"]]:
    """Move a matrix in random directions: where walks without direction are when they have come as far.

    Args:
        start: [rows, cols] the matrix.
        distance: Frobenius norm of the displacement.
        draws: how many.
        seed: seed of the draws.

    Yields:
        [rows, cols] start plus an isotropic displacement of that norm.
    """
    rng = np.random.default_rng([seed, draws, *start.shape])
    for _ in range(draws):
        away = rng.standard_normal(start.shape)
        yield start + (distance / np.linalg.norm(away)) * away
