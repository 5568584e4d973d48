"""Null models of one matrix: its entries in other places, with other signs, or drawn anew with its variances.

A shuffle of all entries keeps their values and destroys correlations, but unequal variances of rows or columns too:
these alone make spikes that a shuffle does not show. Random signs keep every |entry| in its place, and with it the
whole profile of variances: spikes that random signs keep need no correlation.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal

import numpy as np
from jaxtyping import Float64, Int, Shaped


@lru_cache(maxsize=1)
def _permutation(size: int, seed: int) -> Int[np.ndarray, " size"]:
    """Draw one uniform permutation; layers of one size share it, for each of them it is uniform.

    Args:
        size: number of entries.
        seed: any non-negative integer.

    Returns:
        [size] positions; 64 bits, which numpy gathers faster, where their memory does not matter.
    """
    positions = np.arange(size, dtype=np.int32 if 2**23 < size < 2**31 else np.int64)
    np.random.default_rng([seed, size]).shuffle(positions)
    return positions


def shuffled(a: Shaped[np.ndarray, "..."], seed: int = 0) -> Shaped[np.ndarray, "..."]:
    """Put all entries into random places.

    Args:
        a: any array; a pool of matrices is shuffled as a whole.
        seed: the permutation depends on it and on the number of entries only.

    Returns:
        A new array of the same shape and type.
    """
    flat = np.ravel(a)
    return np.asarray(flat.take(_permutation(flat.size, seed), mode="clip").reshape(a.shape))


def shuffled_within(
    a: Shaped[np.ndarray, "... n m"], axis: Literal["rows", "columns"], seed: int = 0
) -> Shaped[np.ndarray, "... n m"]:
    """Put the entries of each row, or of each column, into random places of it.

    Args:
        a: matrices.
        axis: "rows" keeps the entries of each row in it, "columns" those of each column.
        seed: seed of the orders.

    Returns:
        A new array of the same shape and type.
    """
    rng = np.random.default_rng([seed, *a.shape, 5])
    return np.asarray(rng.permuted(a, axis=-1 if axis == "rows" else -2))


def signed(a: Shaped[np.ndarray, "..."], seed: int = 0) -> Shaped[np.ndarray, "..."]:
    """Give each entry a random sign and keep its size and place.

    Args:
        a: any array.
        seed: seed of the signs.

    Returns:
        A new array of the same shape and type.
    """
    rng = np.random.default_rng([seed, *a.shape, 6])
    bits = np.unpackbits(np.frombuffer(rng.bytes((a.size + 7) // 8), dtype=np.uint8), count=a.size)
    return np.asarray(np.where(bits.reshape(a.shape).astype(bool), a, -a))


def gained(
    a: Shaped[np.ndarray, "n m"], axis: Literal["rows", "columns"], seed: int = 0
) -> Float64[np.ndarray, "n m"]:
    """Draw independent normal entries with the observed mean square of each row, or of each column.

    Args:
        a: [n, m] the matrix.
        axis: whose mean squares are kept.
        seed: seed of the draw.

    Returns:
        [n, m].
    """
    x: Any = np.asarray(a, dtype=np.float64)
    gains = np.sqrt((x**2).mean(axis=1 if axis == "rows" else 0, keepdims=True))
    rng = np.random.default_rng([seed, *x.shape, 7])
    return np.asarray(gains * rng.standard_normal(x.shape))
