"""Weights that are stored in several tensors and are one matrix only together.

* weight normalisation: direction v and length g, W = g v / |v| (Salimans & Kingma 2016);
* spectral normalisation: `weight_orig` divided by u^T W v with the stored u and v (Miyato et al. 2018);
* pruning: `weight_orig` and `weight_mask`, W their product.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from eigentrail.weights.store import TensorEntry
from eigentrail.weights.view import Context, Source

if TYPE_CHECKING:
    from torch import Tensor

Claim = tuple[Source, str, dict[str, str]]

# A changed weight would be divided by its norm when it is used.
_NORMALISED = "spectral normalisation divides it by its norm again; remove the normalisation first"


def effective_source(context: Context, entry: TensorEntry) -> Claim | None:
    """Find the tensors that make one weight together with this one.

    Args:
        context: all that planning may look at.
        entry: the tensor that the weight is called by.

    Returns:
        None for a tensor that stands alone; else where to read the weight, a note, and the other tensors with the
        reason why they are not listed.
    """
    for direction, length in (("weight_v", "weight_g"), ("weight.original1", "weight.original0")):
        if entry.name.endswith(direction):
            other = entry.name.removesuffix(direction) + length
            size = context.shape(other)
            if (
                size is not None
                and len(size) == len(entry.shape)
                and all(a in {1, b} for a, b in zip(size, entry.shape, strict=True))
            ):
                reason = f"the lengths of weight normalisation: already in {entry.name}"
                return (
                    Source(entry.name, (other,), normalised, direction_and_length),
                    "weight normalisation put together",
                    {other: reason},
                )
    if entry.name.endswith("weight_orig"):
        other = entry.name.removesuffix("orig") + "mask"
        if context.shape(other) == entry.shape:
            reason = f"a pruning mask: already in {entry.name}"
            return Source(entry.name, (other,), masked, unmasked), "pruning mask applied", {other: reason}
    return _spectral(context, entry)


def _spectral(context: Context, entry: TensorEntry) -> Claim | None:
    for ending, left, right in (
        ("weight_orig", "weight_u", "weight_v"),
        ("weight.original", "weight.0._u", "weight.0._v"),
    ):
        if not entry.name.endswith(ending) or len(entry.shape) < 2:
            continue
        stem = entry.name.removesuffix(ending)
        u, v = context.shape(stem + left), context.shape(stem + right)
        if u == (entry.shape[0],) and v == (math.prod(entry.shape[1:]),):
            reason = f"a vector of spectral normalisation: already in {entry.name}"
            source = Source(entry.name, (stem + left, stem + right), unit_norm, fixed=_NORMALISED)
            return source, "spectral normalisation applied", {stem + left: reason, stem + right: reason}
    return None


def normalised(direction: Tensor, length: Tensor) -> Tensor:
    """Put a normalised weight together.

    Args:
        direction: v, any shape.
        length: g, of the same number of axes, 1 along the axes that the norm is taken over.

    Returns:
        g v / |v|.
    """
    axes = [axis for axis, size in enumerate(length.shape) if size == 1]
    direction = direction.float() if direction.element_size() < 4 else direction
    norm = direction.square().sum(dim=axes, keepdim=True).sqrt() if axes else direction.abs()
    return direction * (length.to(direction.dtype) / norm)


def direction_and_length(matrix: Tensor, direction: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
    """Take a weight apart into the tensors of weight normalisation: the way back from `normalised`.

    Args:
        matrix: the weight.
        direction: the old v, which tells the norms that the new one keeps.
        length: the old g.

    Returns:
        The new v and g; a vanished row keeps its old direction and has length 0.
    """
    axes = [axis for axis, size in enumerate(length.shape) if size == 1]
    wide = matrix.double()

    def norms(tensor: Tensor) -> Tensor:
        return tensor.square().sum(dim=axes, keepdim=True).sqrt() if axes else tensor.abs()

    new, old = norms(wide), norms(direction.double())
    alive = new > 0
    turned = (wide * (old / new.where(alive, 1.0))).where(alive, direction.double())
    return turned.to(direction.dtype), new.to(length.dtype)


def unmasked(matrix: Tensor, weight: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Store a changed weight behind its pruning mask: what the mask leaves out cannot change.

    Args:
        matrix: the weight.
        weight: the old weight before pruning.
        mask: ones and zeros.

    Returns:
        The new weight before pruning, and the mask as it was.
    """
    kept = mask != 0
    return (matrix.to(weight.dtype)).where(kept, weight), mask


def unit_norm(weight: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """Divide a weight by its norm as the stored vectors of spectral normalisation estimate it.

    Args:
        weight: [out, ...].
        left: [out], unit length.
        right: [product of the other axes], unit length.

    Returns:
        weight / (left^T weight right).
    """
    weight = weight.float() if weight.element_size() < 4 else weight
    return weight / (left.to(weight.dtype) @ (weight.flatten(1) @ right.to(weight.dtype)))


def masked(weight: Tensor, mask: Tensor) -> Tensor:
    """Apply a pruning mask.

    Args:
        weight: the weight before pruning.
        mask: ones and zeros of the same shape.

    Returns:
        Their product.
    """
    return weight * mask.to(weight.dtype)
