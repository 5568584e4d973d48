"""Eigenvectors of one layer's Hessian against those of the whole network's."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from jaxtyping import Int64

from eigentrail._arrays import to_float64
from eigentrail.bases import Basis
from eigentrail.errors import BasisError

_BLOCK = 2**24


def layer_overlaps(
    layer: Basis,
    whole: Basis,
    layer_slices: Mapping[str, slice],
    whole_slices: Mapping[str, slice],
) -> xr.Dataset:
    """Compute |h_j . (0, .., h_i^(l), .., 0)| (S1 eq. 7.5), a layer's eigenvectors filled up with zeros.

    Args:
        layer: directions i of the parameters of some layers.
        whole: directions j of more parameters, among which those are.
        layer_slices: where each parameter lies in a direction of `layer`, by name.
        whole_slices: the same for `whole`.

    Returns:
        `overlap` [i, j]; for each direction j of the whole: `share`, its squared norm within the layer;
        `chance`, the mean overlap of a random direction of the layer with it, sqrt(2 share / (pi n_layer));
        `captured`, the part of the share that lies in the span of the layer's directions, for which k /
        n_layer is chance (attribute `captured_chance`), NaN where these are not orthogonal. Attributes `n`,
        `n_layer`; `share_chance`, the layer's share of the parameters; `overlap_chance`, the mean overlap if
        the network's directions were random too, sqrt(2 / (pi n)).

    Raises:
        BasisError: a parameter of the layer is not in the whole, has another size there, or a basis does not
            fit its slices.
    """
    places = _places(layer, whole, layer_slices, whole_slices)
    found = np.empty((layer.k, whole.k))
    share = np.empty(whole.k)
    step = max(1, _BLOCK // whole.n)
    for first in range(0, whole.k, step):
        rows = whole.rows(first, min(first + step, whole.k))[:, places]
        found[:, first : first + step] = to_float64(layer.coordinates(rows)).reshape(len(rows), layer.k).T
        share[first : first + step] = np.einsum("bn,bn->b", rows, rows)
    gram = layer.k <= layer.n and _orthonormal(layer)
    squared = (found**2).sum(axis=0)
    captured = np.divide(squared, share, out=np.zeros_like(share), where=share > 0.0)
    return xr.Dataset(
        {
            "overlap": (("i", "j"), np.abs(found)),
            "share": ("j", share),
            "chance": ("j", np.sqrt(2.0 * share / (np.pi * layer.n))),
            "captured": ("j", np.minimum(captured, 1.0) if gram else np.full(whole.k, np.nan)),
        },
        coords={
            "i": np.arange(layer.k),
            "j": np.arange(whole.k),
            "value_i": ("i", to_float64(layer.values)),
            "value_j": ("j", to_float64(whole.values)),
        },
        attrs={
            "n": whole.n,
            "n_layer": layer.n,
            "captured_chance": min(1.0, layer.k / layer.n),
            "share_chance": layer.n / whole.n,
            "overlap_chance": float(np.sqrt(2.0 / (np.pi * whole.n))),
        },
    )


def _places(
    layer: Basis, whole: Basis, layer_slices: Mapping[str, slice], whole_slices: Mapping[str, slice]
) -> Int64[np.ndarray, " m"]:
    places = np.full(layer.n, -1, dtype=np.int64)
    for name, part in layer_slices.items():
        if name not in whole_slices:
            raise BasisError(
                f"{name} is not among the parameters of the whole ({', '.join(list(whole_slices)[:4])}, ...): "
                "take eigenvectors of a network that it is a part of."
            )
        there, here = range(*whole_slices[name].indices(whole.n)), range(*part.indices(layer.n))
        if len(there) != len(here):
            raise BasisError(f"{name} has {len(here)} entries in the layer and {len(there)} in the whole.")
        places[here.start : here.stop] = np.arange(there.start, there.stop)
    if (places < 0).any():
        raise BasisError(
            f"the slices of the layer cover {(places >= 0).sum()} of its {layer.n} entries: "
            "give those that its eigenvectors were made with."
        )
    return places


def _orthonormal(basis: Basis) -> bool:
    # Eigenvectors are; a few of them tell, without a k x k matrix.
    rows = basis.rows(0, min(basis.k, 64))
    return bool(np.abs(rows @ rows.T - np.eye(len(rows))).max() < 1e-6)
