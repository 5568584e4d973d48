"""Codes in words, and the numbers that small floating-point codes stand for."""

from __future__ import annotations

import torch
from torch import Tensor

#: The sixteen values of FP4 (E2M1), by code.
FP4 = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, -0.0, -0.5, -1.0, -1.5, -2.0, -3.0, -4.0, -6.0)


def unpack(words: Tensor, bits: int, *, axis: int = -1) -> Tensor:
    """Take codes out of 8-bit or 32-bit words, the lowest bits first.

    Args:
        words: integers; 8 or 32 / `bits` codes each.
        bits: bits of a code; a divisor of the word's size.
        axis: the axis along which neighbouring codes share a word.

    Returns:
        The codes as uint8, `axis` longer by the codes per word.
    """
    size = 8 * words.element_size()
    words = words.view(torch.int32) if size == 32 else words.view(torch.uint8)
    words = words.movedim(axis, -1)
    mask = (1 << bits) - 1
    codes = torch.empty(*words.shape, size // bits, dtype=torch.uint8)
    for place in range(size // bits):
        codes[..., place] = words.bitwise_right_shift(place * bits) & mask
    return codes.flatten(-2).movedim(-1, axis)


def look_up(codes: Tensor, values: tuple[float, ...] | Tensor) -> Tensor:
    """Give each code its value.

    Args:
        codes: small non-negative integers.
        values: by code.

    Returns:
        float32, of the codes' shape.
    """
    table = torch.as_tensor(values, dtype=torch.float32)
    return table[codes.int()]


def scale_values(scale: Tensor) -> Tensor:
    """Read scales.

    Args:
        scale: floating numbers of any precision, or E8M0 exponents with bias 127 in uint8.

    Returns:
        The scales in float32.
    """
    if scale.dtype != torch.uint8:
        return scale.float()
    powers = scale.int() - 127
    return torch.ldexp(torch.ones_like(powers, dtype=torch.float32), powers)


def spread(scale: Tensor, shape: tuple[int, ...], blocks: tuple[int, ...]) -> Tensor:
    """Repeat scales over the weights that share them.

    Args:
        scale: one per block, as many axes as `shape`.
        shape: the weight's.
        blocks: the sizes of a block along each axis.

    Returns:
        A tensor that broadcasts against `shape`; an axis with one scale stays 1 long.
    """
    for axis, (size, block) in enumerate(zip(shape, blocks, strict=True)):
        if scale.shape[axis] > 1 and block > 1:
            scale = scale.repeat_interleave(block, dim=axis).narrow(axis, 0, size)
    return scale
