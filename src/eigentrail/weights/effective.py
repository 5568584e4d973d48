"""Weights that are stored in several tensors and are one matrix only together.

* eighth precision with scales: `weight` float8 and `weight_scale` or `weight_scale_inv`, one number, one per
  row, or one per block (W = stored value times scale);
* weight normalisation: direction v and length g, W = g v / |v| (Salimans & Kingma 2016);
* spectral normalisation: `weight_orig` divided by u^T W v with the stored u and v (Miyato et al. 2018);
* pruning: `weight_orig` and `weight_mask`, W their product.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from eigentrail.weights.store import TensorEntry
from eigentrail.weights.view import Context, Source

if TYPE_CHECKING:
    from torch import Tensor

Claim = tuple[Source, str, dict[str, str]]


def effective_source(context: Context, entry: TensorEntry) -> Claim | str | None:
    """Find the tensors that make one weight together with this one.

    Args:
        context: all that planning may look at.
        entry: the tensor that the weight is called by.

    Returns:
        None for a tensor that stands alone; where to read the weight, a note, and the other tensors with the
        reason why they are not listed; or, as one string, why the weight cannot be put together.
    """
    if entry.dtype.startswith("float8"):
        return _scaled(context, entry)
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
            source = Source(entry.name, (stem + left, stem + right), unit_norm, not_unit_norm)
            return source, "spectral normalisation applied", {stem + left: reason, stem + right: reason}
    return None


def _scaled(context: Context, entry: TensorEntry) -> Claim | str | None:
    for ending in ("_scale_inv", "_scale"):
        other = entry.name + ending
        shape = context.shape(other)
        if shape is None:
            continue
        blocks = _blocks(context, entry.shape, shape)
        if blocks is None:
            return (
                f"float8 with scales {list(shape)} that do not fit its shape {list(entry.shape)}; dequantise it "
                "(load the model in bfloat16 and save it) and open that"
            )
        reason = f"the scales of {entry.name}: already in it"
        return (
            Source(entry.name, (other,), partial(scaled, blocks), requantised),
            "float8 times its scales",
            {other: reason},
        )
    return None


def _blocks(context: Context, shape: tuple[int, ...], scale: tuple[int, ...]) -> tuple[int, ...] | None:
    """Sizes of the blocks that one scale each belongs to; () for a single scale."""
    if math.prod(scale) == 1:
        return ()
    if len(scale) == 1 and scale[0] == shape[0]:
        return (1, *shape[1:])
    if len(scale) != len(shape):
        return None
    given = (context.config.get("quantization_config") or {}).get("weight_block_size")
    blocks = []
    for axis, (size, count) in enumerate(zip(shape, scale, strict=True)):
        told = given[axis - len(shape) + 2] if given and len(given) == 2 and axis >= len(shape) - 2 else None
        block = told if told and -(-size // told) == count else -(-size // count)
        if -(-size // block) != count:
            return None
        blocks.append(block)
    return tuple(blocks)


def scaled(blocks: tuple[int, ...], weight: Tensor, scale: Tensor) -> Tensor:
    """Multiply stored eighth-precision values by their scales.

    Args:
        blocks: sizes of the blocks that one scale each belongs to; () for a single scale.
        weight: the stored values.
        scale: the scales.

    Returns:
        The weight in float32.
    """
    weight, scale = weight.float(), scale.float()
    if not blocks:
        return weight * scale.reshape(())
    if scale.ndim == 1:
        scale = scale.reshape(-1, *[1] * (weight.ndim - 1))
    for axis, block in enumerate(blocks):
        if scale.shape[axis] > 1:
            scale = scale.repeat_interleave(block, dim=axis).narrow(axis, 0, weight.shape[axis])
    return weight * scale


def requantised(matrix: Tensor, weight: Tensor, scale: Tensor) -> str:
    """Refuse to store a changed weight in eighth precision with scales made for another.

    Args:
        matrix: the changed weight.
        weight: the stored values.
        scale: the scales.

    Returns:
        The reason.
    """
    del matrix, scale
    return (
        f"its numbers are quantised ({weight.dtype} times scales); dequantise the model first (load it in bfloat16 and "
        "save it)"
    )


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


def not_unit_norm(matrix: Tensor, *stored: Tensor) -> str:
    """Refuse to store a changed weight that spectral normalisation would divide by its norm again.

    Args:
        matrix: the changed weight.
        stored: the old tensors.

    Returns:
        The reason.
    """
    del matrix, stored
    return "spectral normalisation divides it by its norm again; remove the normalisation first"


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
