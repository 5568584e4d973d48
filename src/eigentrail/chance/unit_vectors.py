"""Independent random unit vectors: a path that knows nothing of where it was (S0's own "random walk")."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64


def independent_vectors(count: int, n: int, draws: Sequence[int], seed: int) -> Float64[np.ndarray, "b t n"]:
    """Draw independent unit vectors, each turned to make an acute angle with the one before it.

    Args:
        count: how many a path has.
        n: their dimension.
        draws: numbers of the paths; each number is a path of its own.
        seed: seed of the draws.

    Returns:
        [b, count, n].
    """
    x = np.stack([np.random.default_rng([seed, draw, 4]).standard_normal((count, n)) for draw in draws])
    x /= np.linalg.norm(x, axis=2, keepdims=True)
    turns = np.sign(np.einsum("btn,btn->bt", x[:, 1:], x[:, :-1]))
    turns = np.cumprod(np.where(turns == 0.0, 1.0, turns), axis=1)
    x[:, 1:] *= turns[:, :, None]
    return x
