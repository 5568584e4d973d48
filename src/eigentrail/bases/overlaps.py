"""Overlaps of the directions of two bases, with what chance gives."""

from __future__ import annotations

import numpy as np
import xarray as xr
from jaxtyping import Float64

from eigentrail._arrays import to_float64
from eigentrail.bases.basis import Basis, check_basis
from eigentrail.bases.factored import FactoredBasis
from eigentrail.chance.random_overlaps import largest_overlap, mean_overlap
from eigentrail.errors import BasisError

# Numbers that a block of written-out directions may take.
_BLOCK = 2**24


def overlap(a: Basis, b: Basis, *, part: slice | None = None, signed: bool = False) -> xr.DataArray:
    """Compute |<a_i, b_j>| for all pairs of directions of two bases.

    Singular matrices are never flattened: with dense directions the overlap is u^T A v, with one another
    (u . u')(v . v'). The work is done in blocks of directions.

    Args:
        a: k_a directions.
        b: k_b directions.
        part: where the entries of a lie among those of b, for directions of one layer against those of the whole
            network; None where both live in one space.
        signed: True for the inner products with their sign.

    Returns:
        [i, j] with the values of the bases as coordinates `value_i` and `value_j`. Attributes: `n`, the dimension;
        `chance`, the mean for a random direction, about sqrt(2 / (pi n)); `chance_factored`, the same for two random
        rank-one directions, about (2 / pi) / sqrt(n), where both are factored, else None; `chance_largest`, what the
        largest of all the pairs exceeds by chance once in a hundred times at most, if one of the bases is random:
        singular matrices of random vectors where both are factored, whose overlaps have far longer tails.

    Raises:
        BasisError: one of the two is no basis, or they do not live in one space.
    """
    for one in (a, b):
        check_basis(one, "an overlap is one of two bases")
    n = b.n
    size = n if part is None else len(range(*part.indices(n)))
    if a.n != size:
        raise BasisError(
            f"the bases live in {a.n} and {size} dimensions: overlaps need directions of the same parameters"
            + (", or the part of the larger space that the smaller one is." if part is None else ".")
        )
    sides: tuple[int, ...] = (n,)
    if isinstance(a, FactoredBasis) and isinstance(b, FactoredBasis):
        sides = tuple(int(side) for side in a.shape)
    if isinstance(a, FactoredBasis) and isinstance(b, FactoredBasis) and part is None:
        if a.shape != b.shape:
            raise BasisError(
                f"the bases are of {a.shape} and {b.shape} matrices: overlaps need matrices of one shape."
            )
        found = to_float64(a.left) @ to_float64(b.left).T
        right, other = to_float64(a.right), to_float64(b.right).T
        step = max(1, _BLOCK // b.k)
        for first in range(0, a.k, step):
            found[first : first + step] *= right[first : first + step] @ other
    else:
        found = _blocked(a, b, part)
    if not signed:
        np.abs(found, out=found)
    pairs = a.k * b.k
    return xr.DataArray(
        found,
        dims=("i", "j"),
        coords={
            "i": np.arange(a.k),
            "j": np.arange(b.k),
            "value_i": ("i", to_float64(a.values)),
            "value_j": ("j", to_float64(b.values)),
        },
        name="overlap",
        attrs={
            "n": n,
            "chance": mean_overlap(n),
            "chance_factored": mean_overlap(*sides) if len(sides) == 2 else None,
            "chance_largest": largest_overlap(pairs, *sides),
        },
    )


def _blocked(a: Basis, b: Basis, part: slice | None) -> Float64[np.ndarray, "i j"]:
    found = np.empty((a.k, b.k))
    if isinstance(b, FactoredBasis) and not isinstance(a, FactoredBasis) and part is None:
        step = max(1, _BLOCK // b.n)
        for first in range(0, a.k, step):
            found[first : first + step] = b.coordinates(a.rows(first, min(first + step, a.k)))
        return found
    step = max(1, _BLOCK // b.n)
    for first in range(0, b.k, step):
        rows = b.rows(first, min(first + step, b.k))
        if part is not None:
            rows = rows[:, part]
        found[:, first : first + step] = np.atleast_2d(a.coordinates(rows)).T
    return found
