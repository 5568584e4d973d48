"""The weight product h_i . w / ||w||, for weights of one step or of many."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from eigentrail._arrays import to_float64
from eigentrail.bases import Basis
from eigentrail.errors import BasisError, OptionError


def weight_product(basis: Basis, weights: Any, steps: Any = None) -> xr.DataArray:
    """Compute h_i . w(s) / ||w(s)|| of each direction with the weights of one step or of several (S1 7.2).

    The sign of an eigenvector means nothing, and so does that of its product, except between steps.

    Args:
        basis: k directions h_i of the n parameters.
        weights: n numbers in any shape; or [T, ...] with n numbers at each of T > 1 steps, as `run[layer]` is.
        steps: the T steps, as a coordinate; taken from `weights` where these are labelled.

    Returns:
        [i] or [step, i], with the coordinate `value`, that of each direction. Attribute `chance`: 1 / sqrt(n),
        the standard deviation for a random direction.

    Raises:
        BasisError: the weights do not fit the basis, are not finite, or are zero at a step.
        OptionError: there is not one step for each row.
    """
    labels = steps
    if isinstance(weights, xr.DataArray):
        if steps is None and "step" in weights.coords and weights.coords["step"].ndim == 1:
            labels = weights.coords["step"].values
        weights = weights.values
    x = to_float64(weights)
    batched = x.ndim >= 2 and x.size != basis.n
    coordinates = np.atleast_2d(to_float64(basis.coordinates(x)))
    norms = np.linalg.norm(x.reshape(len(coordinates), -1), axis=1)
    if not (norms > 0.0).all():
        raise BasisError("the weights are zero and have no direction: leave that step out.")
    found = coordinates / norms[:, None]
    coords: dict[str, Any] = {"i": np.arange(basis.k), "value": ("i", to_float64(basis.values))}
    dims: tuple[str, ...] = ("i",)
    if batched:
        dims = ("step", "i")
        if labels is not None and np.shape(labels) != (len(found),):
            raise OptionError(
                f"weights of {len(found)} steps need as many steps, not an array of shape {np.shape(labels)}."
            )
        coords["step"] = np.arange(len(found)) if labels is None else np.asarray(labels)
    return xr.DataArray(
        found if batched else found[0],
        dims=dims,
        coords=coords,
        name="weight_product",
        attrs={"n": basis.n, "chance": float(1.0 / np.sqrt(basis.n))},
    )


def weight_products(bases: Mapping[int, Basis], weights: Any, steps: Any = None) -> xr.DataArray:
    """Compute the weight products of weights at steps s with the eigenvectors of steps t.

    Args:
        bases: the directions of each step t, as many in each.
        weights: [T, ...], see `weight_product`.
        steps: the T steps s.

    Returns:
        [basis_step, step, i]; what lies on s = t is the usual weight product. `value` is [basis_step, i].

    Raises:
        OptionError: there is no basis, or their numbers of directions differ.
    """
    if not bases or len({basis.k for basis in bases.values()}) != 1:
        raise OptionError("weight products need at least one basis, all with the same number of directions.")
    each = [weight_product(basis, weights, steps) for basis in bases.values()]
    each = [one if "step" in one.dims else one.expand_dims(step=[0]) for one in each]
    joined = xr.concat(
        [one.reset_coords("value", drop=True) for one in each],
        dim="basis_step",
        join="exact",
        combine_attrs="override",
    )
    values = np.stack([to_float64(basis.values) for basis in bases.values()])
    return joined.assign_coords(basis_step=np.array(list(bases)), value=(("basis_step", "i"), values))
