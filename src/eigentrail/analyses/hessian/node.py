"""All that is found about the Hessian of one target, as one tree."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from eigentrail._arrays import to_float64
from eigentrail.analyses.hessian.eigen import Eigen, Tell, eigen_of
from eigentrail.analyses.hessian.loss_along import add_back_of, landscapes_of
from eigentrail.analyses.hessian.motion import motion_of, singular_of
from eigentrail.analyses.hessian.parameter_point import WHOLE, ParameterPoint
from eigentrail.curvature import (
    eigenvector_statistics,
    hessian_levels,
    hessian_spacings,
    local_gaussianity,
    weight_product,
)
from eigentrail.errors import EigentrailError, RunError

_WINDOW = 500
# Over how many eigenvectors on either side S1 averages p-values.
_NEIGHBOURS = 15


def describe_target(
    point: ParameterPoint, target: str, *, exact: bool, initial: bool, tell: Tell
) -> xr.DataTree:
    """Find all about the Hessian of one target at one step.

    Args:
        point: the step.
        target: a parameter's name, or `WHOLE`.
        exact: whether to compute the whole matrix and all its eigenpairs.
        initial: whether to look at the first step of the run too.
        tell: told what begins.

    Returns:
        A tree with the children `spectrum`, `density`, `vectors`, and as far as they can be had `gaussianity`,
        `levels`, `weights_components`, `updates_components`, `flatness`, `singular`, `add_back`, `landscape`,
        `initial`, `initial_density`; facts as attributes, where a missing one has a text `no_...` that says why.
    """
    eigen = eigen_of(point, target, exact=exact, tell=tell)
    facts: dict[str, Any] = {
        "n": eigen.basis.n,
        "step": point.step,
        "loss": eigen.loss,
        "weight_decay": float(point.setting.get("weight_decay") or 0.0),
        **eigen.facts,
    }
    values = to_float64(eigen.basis.values)
    parts: dict[str, xr.Dataset] = {
        "spectrum": xr.Dataset({"eigenvalue": ("i", values)}, {"i": np.arange(len(values))}),
        "density": eigen.density,
        "vectors": _vectors(point, target, eigen, facts),
    }
    if exact:
        levels = hessian_levels(values)
        facts |= {
            "null": levels.null,
            "floor": levels.floor,
            "positive": levels.positive,
            "negative": levels.negative,
        }
        _spacings(values, parts, facts)
        _gaussianity(parts, facts)
    tell("the eigenvectors beside weights, motion and singular matrices; added back")
    for make in (motion_of, singular_of, add_back_of, landscapes_of):
        made, told = make(point, target, eigen)
        parts |= made
        facts |= told
    if initial:
        _initial(point, target, exact, parts, facts, lambda words: tell(f"before training, {words}"))
    tree = xr.DataTree.from_dict({f"/{name}": part for name, part in parts.items()})
    tree.attrs = {key: value for key, value in facts.items() if value is not None}
    return tree


def _vectors(point: ParameterPoint, target: str, eigen: Eigen, facts: dict[str, Any]) -> xr.Dataset:
    slices = eigen.slices if target == WHOLE else None
    found = eigenvector_statistics(
        eigen.basis, slices, point.weights(target), neighbours=_NEIGHBOURS if eigen.exact else 0
    )
    try:
        first = weight_product(eigen.basis, point.weights(target, point.first_model))
        found = found.assign(product_first=("i", first.values))
    except EigentrailError as error:  # biases begin at zero, and have no direction there
        facts["no_first"] = str(error)
    return found


def _spacings(values: Any, parts: dict[str, xr.Dataset], facts: dict[str, Any]) -> None:
    try:
        found = hessian_spacings(values)
    except EigentrailError as error:
        facts["no_levels"] = str(error)
        return
    ratios = to_float64(found.ratios).ravel()
    parts["levels"] = xr.Dataset(
        {"spacing": ("s", to_float64(found.unfolded).ravel()), "ratio": ("r", ratios)},
    )
    facts |= {
        "spacing_ratio": found.ratio_mean,
        "spacing_ratio_error": found.ratio_error,
        "spacing_p_wigner": found.p_wigner,
        "spacing_p_poisson": found.p_poisson,
    }


def _gaussianity(parts: dict[str, xr.Dataset], facts: dict[str, Any]) -> None:
    products = parts["vectors"]["product"].values
    if len(products) < 2 * _WINDOW:
        facts["no_gaussianity"] = f"{len(products)} eigenvectors are fewer than two windows of {_WINDOW}"
        return
    try:
        found = local_gaussianity(products, _WINDOW)
    except EigentrailError as error:
        facts["no_gaussianity"] = str(error)
        return
    parts["gaussianity"] = found
    facts |= {
        "gaussian_windows": int((found["p"].values > 0.01).sum()),
        "windows": int(found.sizes["window"]),
        "gaussian_whole_p": float(found.attrs["whole_p"]),
    }


def _initial(
    point: ParameterPoint,
    target: str,
    exact: bool,
    parts: dict[str, xr.Dataset],
    facts: dict[str, Any],
    tell: Tell,
) -> None:
    try:
        model = point.first_model
    except RunError as error:
        facts["no_initial"] = str(error)
        return
    eigen = eigen_of(point, target, exact=exact, tell=tell, model=model)
    weights = point.weights(target, model)
    found = eigenvector_statistics(
        # Biases that begin at zero have no direction, and no weight product.
        eigen.basis,
        None,
        weights if weights.any() else None,
        neighbours=_NEIGHBOURS if exact else 0,
    )
    parts["initial"] = found.assign(eigenvalue=("i", to_float64(eigen.basis.values)))
    parts["initial_density"] = eigen.density
    facts |= {
        "initial_loss": eigen.loss,
        "initial_largest": float(to_float64(eigen.basis.values)[0]),
        "initial_trace": eigen.facts["trace"],
    }
