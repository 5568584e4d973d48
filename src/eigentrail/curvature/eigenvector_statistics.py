"""Participation, Porter-Thomas and concentration by layer of many eigenvectors, a block at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from eigentrail._arrays import to_float64
from eigentrail._numbers import whole
from eigentrail.bases import Basis
from eigentrail.curvature.weight_product import weight_product
from eigentrail.spectra.vectors import concentration, participation, porter_thomas

_BLOCK = 2**22
_SHORTEST = 8


def eigenvector_statistics(
    basis: Basis,
    slices: Mapping[str, slice] | None = None,
    weights: Any = None,
    *,
    neighbours: int = 15,
) -> xr.Dataset:
    """Compute what S1's sections 7.5 and 7.6 ask of each eigenvector.

    Directions are taken a block at a time, so that all n of n = 8192 need no second n x n array.

    Args:
        basis: k directions.
        slices: where each parameter lies in a direction, by name, as `Curvature.slices`; None leaves
            concentration out.
        weights: n numbers; None leaves the weight product out.
        neighbours: over how many directions before and after the Porter-Thomas p-values are averaged.

    Returns:
        For each direction [i]: `participation`, the inverse ratio sum_j h_ij^4; `porter_thomas`, its own
        p-value, and `porter_thomas_mean`, that averaged over neighbours (missing for n < 8); `product`, the
        weight product; `concentration` [i, layer], the share of its squared norm in each parameter, beside
        `concentration_chance` and `concentration_error` [layer] of random directions. Attributes `n`,
        `participation_chance`, `product_chance` and `porter_thomas_chance` (0.5).

    Raises:
        OptionError: `neighbours` is negative or no whole number.
    """
    neighbours = whole("neighbours", neighbours)
    n, k = basis.n, basis.k
    inverse, p = np.empty(k), np.empty(k)
    shares = np.empty((k, len(slices) if slices else 0))
    step = max(1, _BLOCK // n)
    for first in range(0, k, step):
        rows = basis.rows(first, min(first + step, k))
        here = slice(first, first + len(rows))
        inverse[here] = participation(rows).inverse
        if n >= _SHORTEST:
            p[here] = porter_thomas(rows)
        if slices:
            shares[here] = concentration(rows, slices).shares
    found: dict[str, Any] = {"participation": ("i", inverse)}
    coords: dict[str, Any] = {"i": np.arange(k), "value": ("i", to_float64(basis.values))}
    if n >= _SHORTEST:
        found["porter_thomas"] = ("i", p)
        found["porter_thomas_mean"] = ("i", _windowed_mean(p, neighbours))
    if slices:
        chance = concentration(basis.rows(0, 1), slices)
        coords["layer"] = list(chance.names)
        found["concentration"] = (("i", "layer"), shares)
        found["concentration_chance"] = ("layer", chance.chance)
        found["concentration_error"] = ("layer", chance.chance_error)
    if weights is not None:
        found["product"] = ("i", weight_product(basis, to_float64(weights).ravel()).values)
    return xr.Dataset(
        found,
        coords=coords,
        attrs={
            "n": n,
            "participation_chance": 3.0 / (n + 2.0),
            "product_chance": float(1.0 / np.sqrt(n)),
            "porter_thomas_chance": 0.5,
            "neighbours": neighbours,
        },
    )


def _windowed_mean(p: Any, neighbours: int) -> Any:
    total = np.concatenate([[0.0], np.cumsum(p)])
    index = np.arange(p.size)
    low, high = np.maximum(index - neighbours, 0), np.minimum(index + neighbours + 1, p.size)
    return (total[high] - total[low]) / (high - low)
