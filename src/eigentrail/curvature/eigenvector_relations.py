"""One call that relates eigenvectors to weights, singular matrices, principal components and the trajectory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from eigentrail._arrays import to_float64
from eigentrail.bases import Basis, overlap
from eigentrail.curvature.eigenvector_statistics import eigenvector_statistics
from eigentrail.curvature.local_gaussianity import local_gaussianity
from eigentrail.curvature.sharpness import (
    Sharpness,
    SharpnessDifference,
    compare_sharpness,
    diagonal_sharpness,
)
from eigentrail.curvature.singular_overlaps import singular_overlaps
from eigentrail.curvature.variance_flatness import VarianceFlatness, variance_flatness_of
from eigentrail.errors import LayerError, OptionError

_WINDOW = 500
# Products in a window below which there is nothing to test.
_SHORTEST = 8


@dataclass(frozen=True)
class EigenvectorRelations:
    """How eigenvectors relate to what else is known of a network.

    Attributes:
        statistics: participation, Porter-Thomas, concentration by layer and weight product of each
            eigenvector, with chance levels; see `eigenvector_statistics`.
        gaussianity: local Gaussianity of the weight products; None where there are too few.
        singular: overlaps with the singular matrices of each layer; see `singular_overlaps`.
        components: overlaps [i, j] with each of the bases that were given, such as components of weights and
            updates.
        sharpness: how diagonal each of those is.
        updates_sharper: components of updates against those of weights, where both were given: S1's claim is a
            positive difference.
        flatness: variance-flatness relation of weights and of updates, where a trajectory was given.
    """

    statistics: xr.Dataset
    gaussianity: xr.Dataset | None
    singular: dict[str, xr.Dataset]
    components: dict[str, xr.DataArray]
    sharpness: dict[str, Sharpness]
    updates_sharper: SharpnessDifference | None
    flatness: dict[str, VarianceFlatness]

    def __repr__(self) -> str:
        lines = [
            f"<EigenvectorRelations: {self.statistics.sizes['i']} eigenvectors of "
            f"{self.statistics.attrs['n']} parameters"
        ]
        lines += [
            f"  {name}: sharpness {one.sharpness:.3g}, {one.z:+.1f} standard deviations from chance"
            for name, one in self.sharpness.items()
        ]
        lines += [
            f"  {of}: sigma^2 ~ h^({one.all.exponent:.2f} +- {one.all.error:.2f})"
            for of, one in self.flatness.items()
            if one.all.exponent is not None
        ]
        return "\n".join(lines) + ">"


def relate_eigenvectors(
    basis: Basis,
    weights: Mapping[str, Any],
    *,
    components: Mapping[str, Basis] | None = None,
    trajectory: Any = None,
    h_cross: float | None = None,
    conv: str = "flatten",
    neighbours: int = 15,
    window: int | None = None,
    band: int | None = None,
) -> EigenvectorRelations:
    """Relate eigenvectors of a Hessian to everything that lives in the same parameters.

    Args:
        basis: eigenvectors with their eigenvalues, from `Curvature.top` or `eigenbasis`.
        weights: the parameters they are of, in their order: name -> values, as
            `{name: dict(model.named_parameters())[name] for name in curvature.names}`.
        components: other bases of the same parameters by name; "weights" and "updates" are compared with each
            other.
        trajectory: [T, ...] weights over steps or one such array for each parameter, for the variance-flatness
            relation.
        h_cross: see `crossing_curvature`.
        conv: how kernels become matrices, see `singular_overlaps`.
        neighbours: over how many neighbours Porter-Thomas p-values are averaged.
        window: directions in a window of the test for Gaussianity; None for 500, or a quarter of them if fewer.
        band: see `diagonal_sharpness`.

    Returns:
        The relations.

    Raises:
        OptionError: the weights do not fit the eigenvectors.
    """
    values = {name: to_float64(value) for name, value in weights.items()}
    slices, stop = {}, 0
    for name, value in values.items():
        slices[name] = slice(stop, stop + value.size)
        stop += value.size
    if stop != basis.n:
        raise OptionError(
            f"the weights have {stop} numbers and the eigenvectors {basis.n}: give the parameters that they are of."
        )
    flat = np.concatenate([value.ravel() for value in values.values()])
    statistics = eigenvector_statistics(basis, slices, flat, neighbours=neighbours)
    length = min(_WINDOW, basis.k // 4) if window is None else window
    gaussianity = None
    if window is not None or length >= _SHORTEST:
        gaussianity = local_gaussianity(statistics["product"], length)
    found = {name: overlap(basis, other) for name, other in (components or {}).items()}
    return EigenvectorRelations(
        statistics=statistics,
        gaussianity=gaussianity,
        singular=_singular(basis, values, slices, conv),
        components=found,
        sharpness={name: diagonal_sharpness(one, band) for name, one in found.items()},
        updates_sharper=_updates_sharper(found, band),
        flatness={} if trajectory is None else variance_flatness_of(basis, trajectory, h_cross=h_cross),
    )


def _singular(
    basis: Basis, values: Mapping[str, np.ndarray], slices: Mapping[str, slice], conv: str
) -> dict[str, xr.Dataset]:
    found: dict[str, xr.Dataset] = {}
    for name, value in values.items():
        if value.ndim < 2 or min(value.shape[0], value.size // value.shape[0]) < 2:
            continue
        if not value.any():
            raise LayerError(f"{name} is zero and has no singular matrices: leave it out.")
        part = None if len(values) == 1 else slices[name]
        found[name] = singular_overlaps(basis, value, part=part, conv=conv)
    return found


def _updates_sharper(found: Mapping[str, xr.DataArray], band: int | None) -> SharpnessDifference | None:
    pair: Sequence[str] = ("weights", "updates")
    if not all(name in found for name in pair):
        return None
    count = min(found[name].sizes["j"] for name in pair)
    first, second = (found[name].isel(j=slice(count)) for name in pair)
    if min(count, first.sizes["i"]) < 2:
        return None
    return compare_sharpness(first, second, band)
