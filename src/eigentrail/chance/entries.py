"""Null models of one matrix: its entries in other places, with other signs, or drawn anew with its variances.

A shuffle of all entries keeps their values and destroys correlations, but unequal variances of rows or columns too:
these alone make spikes that a shuffle does not show. Random signs keep every |entry| in its place, and with it the
whole profile of variances: spikes that random signs keep need no correlation.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal, cast

import numpy as np
import torch
from jaxtyping import Float64, Int, Shaped, UInt8

from eigentrail.linalg.halves import is_half

# Up to so many entries layers of one size share a permutation; beyond, gathering by it misses every cache.
_SHARED = 2**23
# Entries that are shuffled within the cache.
_PART = 2**16


@lru_cache(maxsize=1)
def _permutation(size: int, seed: int) -> Int[np.ndarray, " size"]:
    """Draw one uniform permutation; layers of one size share it, for each of them it is uniform.

    Args:
        size: number of entries.
        seed: any non-negative integer.

    Returns:
        [size] positions.
    """
    if size > _PART:
        return _dealt(np.arange(size), seed)
    positions = np.arange(size)
    np.random.default_rng([seed, size]).shuffle(positions)
    return positions


def shuffled(a: Shaped[np.ndarray, "..."], seed: int = 0) -> Shaped[np.ndarray, "..."]:
    """Put all entries into random places.

    Args:
        a: any array; a pool of matrices is shuffled as a whole.
        seed: the permutation depends on it and on the number of entries only; of more than 2^23 entries it permutes
            them as they lie in memory, so that a transposed view is not copied.

    Returns:
        A new array of the same shape and type.
    """
    if is_half(a):
        half: Any = a
        return cast("np.ndarray[Any, Any]", half.with_bits(shuffled(half.bits(), seed)))
    if a.size <= _SHARED:
        flat = np.ravel(a)
        return np.asarray(flat.take(_permutation(flat.size, seed), mode="clip").reshape(a.shape))
    axes = np.argsort([-step for step in a.strides], kind="stable")
    stored = a.transpose(axes)
    mixed = _dealt(stored.reshape(-1), seed).reshape(stored.shape)
    return np.asarray(mixed.transpose(np.argsort(axes)))


def _dealt(flat: Shaped[np.ndarray, " size"], seed: int) -> Shaped[np.ndarray, " size"]:
    """Shuffle many entries: blocks are shuffled in the cache and dealt out to parts, and these shuffled there again.

    How many entries of a block fall to each part is drawn as if each entry chose its part: given these numbers every
    order is as likely as any other (Rao 1961; Sandelius 1962).

    Args:
        flat: [size] entries.
        seed: the order depends on it and on the size only.

    Returns:
        [size] the entries in another order.
    """
    blocks = range(0, flat.size, _PART)
    parts = len(blocks)
    rng = np.random.default_rng([seed, flat.size, 8])
    lengths = np.full(parts, _PART)
    lengths[-1] = flat.size - blocks[-1]
    many = rng.multinomial(lengths, np.full(parts, 1.0 / parts))
    ends = np.cumsum(many.sum(axis=0))
    places = ends - many.sum(axis=0)
    # torch draws permutations of this size twice as fast as numpy.
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))

    def mixed(block: Shaped[np.ndarray, " part"]) -> Shaped[np.ndarray, " part"]:
        order = torch.randperm(len(block), generator=generator).numpy()
        return np.asarray(block.take(order, mode="clip"))

    out = np.empty_like(flat)
    for start, counts in zip(blocks, many, strict=True):
        block = mixed(flat[start : start + _PART])
        at = 0
        for place, count in zip(places.tolist(), counts.tolist(), strict=True):
            out[place : place + count] = block[at : at + count]
            at += count
        places += counts
    for start, end in zip((0, *ends[:-1]), ends, strict=True):
        out[start:end] = mixed(out[start:end])
    return out


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
        seed: seed of the signs, which are drawn in the order in which the entries lie in memory.

    Returns:
        A new array of the same shape and type.
    """
    rng = np.random.default_rng([seed, *a.shape, 6])
    half: Any = a if is_half(a) else None
    out = np.array(a if half is None else half.bits())
    flat = out.ravel(order="K")
    assert flat.base is not None  # a view: the entries of a new array lie without gaps
    if half is not None or flat.dtype == np.float32:
        words: Any = flat.view(np.uint32) if half is None else flat
        for start in range(0, flat.size, _PART):
            part = words[start : start + _PART]
            # One bit a sign: the highest of the word.
            part ^= np.left_shift(_bits(rng, part.size) ^ 1, 8 * words.itemsize - 1, dtype=words.dtype)
        return out if half is None else cast("np.ndarray[Any, Any]", half.with_bits(out))
    for start in range(0, flat.size, _PART):
        block = flat[start : start + _PART]
        np.negative(block, out=block, where=_bits(rng, block.size) == 0)
    return out


def _bits(rng: np.random.Generator, size: int) -> UInt8[np.ndarray, " size"]:
    return np.unpackbits(np.frombuffer(rng.bytes((size + 7) // 8), dtype=np.uint8), count=size)


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
