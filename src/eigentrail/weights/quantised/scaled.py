"""Codes that are numbers: float8 and int8 values times scales per tensor, row, group or block, less zero points."""

from __future__ import annotations

import math
from functools import partial

from torch import Tensor

from eigentrail.weights.quantised.codes import scale_values, spread
from eigentrail.weights.quantised.layout import Decoding, Look
from eigentrail.weights.quantised.settings import told

_USUAL_BLOCK = 128  # of every published model with two-dimensional blocks


def plan_scaled(look: Look) -> Decoding | str:
    """Plan values times scales.

    Args:
        look: the values, the companion `scale`, perhaps `zero`.

    Returns:
        The decoding, or why the scales do not fit.
    """
    shape, scale = look.codes.shape, look.parts["scale"].shape
    blocks = block_sizes(shape, scale, told(look.context, look.weight).block)
    if isinstance(blocks, str):
        return blocks
    zero = look.parts.get("zero")
    if zero is not None and zero.shape not in {scale, (*scale, 1), ()}:
        return f"zero points {list(zero.shape)} that do not fit its scales {list(scale)}"
    stacked = len(shape) > 2 and len(scale) == len(shape) and scale[0] == shape[0]
    return Decoding(shape, look.codes.dtype, look.names("scale", "zero"), partial(scaled, blocks), stacked)


def block_sizes(
    shape: tuple[int, ...], scale: tuple[int, ...], given: tuple[int, int] | None = None
) -> tuple[int, ...] | str:
    """Tell which weights share a scale.

    Args:
        shape: the weight's.
        scale: the scales'.
        given: rows and columns of a block by the configuration.

    Returns:
        The sizes of a block along each axis, () for a single scale; or why that cannot be told.
    """
    if math.prod(scale) == 1:
        return ()
    if len(scale) == 1 and scale[0] == shape[0]:
        return (1, *shape[1:])
    misfit = f"scales {list(scale)} that do not fit its shape {list(shape)}"
    if len(scale) != len(shape):
        return misfit
    usual = all(count in {1, size, -(-size // _USUAL_BLOCK)} for size, count in _pairs(shape, scale))
    blocks = []
    for axis, (size, count) in enumerate(_pairs(shape, scale)):
        place = axis - len(shape) + 2
        block = given[place] if given and place >= 0 else None
        if count in {1, size}:
            block = size // count
        elif block is None or -(-size // block) != count:
            if block is None and usual:
                block = _USUAL_BLOCK
            elif size % count == 0:
                block = size // count
            else:
                blocks_told = (
                    f" in blocks of {list(given)}" if given else ", whose blocks no configuration tells"
                )
                return misfit + blocks_told
        blocks.append(block)
    return tuple(blocks)


def _pairs(shape: tuple[int, ...], scale: tuple[int, ...]) -> list[tuple[int, int]]:
    return list(zip(shape, scale, strict=True))


def scaled(blocks: tuple[int, ...], weight: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
    """Multiply stored values by their scales.

    Args:
        blocks: sizes of the blocks that one scale each belongs to; () for a single scale.
        weight: the stored values.
        scale: the scales.
        zero: the stored value that stands for 0, per scale; None for 0.

    Returns:
        (weight - zero) * scale in float32.
    """
    factor = scale_values(scale)
    offset = None if zero is None else zero.float().reshape(factor.shape if zero.numel() > 1 else ())
    values = weight.float()
    if not blocks:
        return (values if offset is None else values - offset.reshape(())) * factor.reshape(())
    if factor.ndim == 1:
        factor = factor.reshape(-1, *[1] * (values.ndim - 1))
        offset = None if offset is None or not offset.ndim else offset.reshape(factor.shape)
    shape = tuple(values.shape)
    if offset is not None:
        values = values - (spread(offset, shape, blocks) if offset.ndim else offset)
    return values * spread(factor, shape, blocks)


def plan_rowwise_int8(look: Look) -> Decoding | str:
    """Plan bitsandbytes' 8-bit weights: a row's largest magnitude is code 127.

    Args:
        look: the codes, the companion `scale` (`SCB`).

    Returns:
        The decoding, or why the scales do not fit.
    """
    if look.parts["scale"].shape != look.codes.shape[:1]:
        return (
            f"row scales {list(look.parts['scale'].shape)} that do not fit its shape {list(look.codes.shape)}"
        )
    return Decoding(look.codes.shape, "int8", look.names("scale", "format"), rowwise_int8)


def rowwise_int8(codes: Tensor, largest: Tensor, order: Tensor | None = None) -> Tensor:
    """Decode bitsandbytes' 8-bit weights.

    Args:
        codes: int8 [rows, cols].
        largest: [rows].
        order: bitsandbytes' number of the storage order; 0 for row by row.

    Returns:
        float32 [rows, cols].

    Raises:
        LayerError: the rows are stored in an order for a graphics card.
    """
    from eigentrail.errors import LayerError

    if order is not None and int(order) != 0:
        raise LayerError(
            "its 8-bit rows are stored in an order made for one graphics card; save it row by row."
        )
    return codes.float() * (largest.float() / 127.0).unsqueeze(1)
