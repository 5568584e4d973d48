"""Hessian eigenvectors against the singular matrices of the weights, convolutions too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float64, Int64

from eigentrail._arrays import to_float64
from eigentrail.bases import Basis, FactoredBasis, singular
from eigentrail.errors import LayerError, OptionError, SpectrumError
from eigentrail.spectra import Spectrum

_BLOCK = 2**22


def singular_overlaps(
    basis: Basis,
    weight: Any,
    *,
    part: slice | None = None,
    conv: str = "flatten",
    k: int | None = None,
    leading: int | None = None,
) -> xr.Dataset:
    """Compute |<h_i, vec(u_j v_j^T)>|: eigenvectors of a Hessian against a layer's singular matrices (S1 7.3).

    A kernel becomes a matrix by "flatten", [out, in * kh * kw], or by "spatial", [kh * kw, in * out] (S1's
    way); the eigenvectors' entries are put into the order of that matrix, and nothing is flattened to n
    numbers by j.

    Args:
        basis: directions i of this weight, or of a whole network with `part`.
        weight: the weight of the layer [out, in, ...], whose entries row-major are those of the directions.
        part: where the weight lies in the directions of the whole network (S1 figure 7.14).
        conv: "flatten" or "spatial".
        k: how many singular matrices; None for all.
        leading: for `in_leading`, how many of the directions count as leading; None for a tenth of them.

    Returns:
        `overlap` [i, j]. For each direction i: `share`, its squared norm within the weight (1 without `part`);
        `outlying` and `bulk`, the part of it in the span of the singular matrices outside and inside of the
        Marchenko-Pastur bulk, with `outlying_chance` and `bulk_chance`. For each singular matrix j: `outlier`,
        whether it is outside of the bulk; `in_leading`, its squared norm in the span of the leading
        directions, with the attribute `in_leading_chance`; `centre`, the mean index i weighted by squared
        overlaps (attribute `centre_chance`). Attributes `spikes` (None where the shape allows no fit, with
        `note`), `n`, and `overlap_chance` as in `bases.overlap`.

    Raises:
        OptionError: `conv` is another, the weight is no matrix or kernel, or does not fit the directions.
    """
    w = to_float64(weight)
    matrix, order = _as_matrix(w, conv)
    size = basis.n if part is None else len(range(*part.indices(basis.n)))
    if size != w.size:
        raise OptionError(
            f"the directions have {size} entries there and the weight {w.size}: give the weight that they are of."
        )
    factored = singular(matrix, k)
    spikes, note = _spikes(matrix)
    found, share = _overlaps(basis, factored, part, order)
    squared = found**2
    count = factored.k
    outlier = np.arange(count) < (spikes or 0)
    top = max(1, basis.k // 10) if leading is None else leading
    if not 1 <= top <= basis.k:
        raise OptionError(f"leading directions are 1 to {basis.k} here, not {leading}.")
    weights = squared.sum(axis=0)
    indices = np.arange(basis.k)
    centre = np.divide(indices @ squared, weights, out=np.full(count, np.nan), where=weights > 0.0)
    return xr.Dataset(
        {
            "overlap": (("i", "j"), np.abs(found)),
            "share": ("i", share),
            "outlying": ("i", squared[:, outlier].sum(axis=1)),
            "outlying_chance": ("i", share * outlier.sum() / w.size),
            "bulk": ("i", squared[:, ~outlier].sum(axis=1)),
            "bulk_chance": ("i", share * (~outlier).sum() / w.size),
            "outlier": ("j", outlier),
            "in_leading": ("j", squared[:top].sum(axis=0)),
            "centre": ("j", centre),
        },
        coords={
            "i": indices,
            "j": np.arange(count),
            "value_i": ("i", to_float64(basis.values)),
            "value_j": ("j", to_float64(factored.values)),
        },
        attrs={
            "n": basis.n,
            "conv": conv,
            "spikes": spikes,
            "note": note,
            "leading": top,
            "in_leading_chance": top / basis.n,
            "centre_chance": (basis.k - 1) / 2.0,
            "overlap_chance": float(np.sqrt(2.0 / (np.pi * basis.n))),
        },
    )


_Order = Callable[[Float64[np.ndarray, "b n"]], Float64[np.ndarray, "b n"]]


def _as_matrix(
    w: Float64[np.ndarray, "..."], conv: str
) -> tuple[Float64[np.ndarray, "rows cols"], Int64[np.ndarray, " n"] | None]:
    if conv not in {"flatten", "spatial"}:
        raise OptionError(f'conv is "flatten" or "spatial" here, not {conv!r}.')
    if w.ndim < 2:
        raise OptionError(f"a weight with singular matrices is [out, in, ...], not of shape {w.shape}.")
    if w.ndim == 2 or conv == "flatten":
        return w.reshape(len(w), -1), None
    axes = (*range(2, w.ndim), 1, 0)
    order = np.arange(w.size).reshape(w.shape).transpose(axes).ravel()
    return w.transpose(axes).reshape(-1, w.shape[0] * w.shape[1]), order


def _overlaps(
    basis: Basis, factored: FactoredBasis, part: slice | None, order: Int64[np.ndarray, " n"] | None
) -> tuple[Float64[np.ndarray, "i j"], Float64[np.ndarray, " i"]]:
    found, share = np.empty((basis.k, factored.k)), np.empty(basis.k)
    u, v = to_float64(factored.left), to_float64(factored.right)
    step = max(1, _BLOCK // basis.n)
    for first in range(0, basis.k, step):
        rows = basis.rows(first, min(first + step, basis.k))
        rows = rows if part is None else rows[:, part]
        share[first : first + step] = np.einsum("bn,bn->b", rows, rows)
        rows = rows if order is None else rows[:, order]
        turned = np.tensordot(rows.reshape(len(rows), *factored.shape), v, axes=(2, 1))
        found[first : first + step] = np.einsum("brj,jr->bj", turned, u)
    return found, share


def _spikes(matrix: Float64[np.ndarray, "rows cols"]) -> tuple[int | None, str | None]:
    try:
        return int(Spectrum.from_matrix(matrix, leading=0).marchenko_pastur().spikes), None
    except (LayerError, SpectrumError) as error:
        return None, f"no Marchenko-Pastur bulk to tell outlying singular values from: {error}"
