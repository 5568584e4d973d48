"""Integer codes of 2, 4 or 8 bits in 32-bit words, with a scale (and a zero point or a bias) per group of inputs.

GPTQ (Frantar et al. 2022) packs along the inputs, AWQ (Lin et al. 2023) along the outputs in an order of its own, MLX
and compressed-tensors along the inputs of [out, in].
"""

from __future__ import annotations

from functools import partial
from math import prod

import torch
from torch import Tensor

from eigentrail.weights.quantised.codes import spread, unpack
from eigentrail.weights.quantised.layout import Decoding, Look
from eigentrail.weights.quantised.settings import told

_AWQ_ORDER = (0, 4, 1, 5, 2, 6, 3, 7)  # where the eight columns of a word lie in it
_BITS = {2, 4, 8}
_ODD_BITS = "codes of {} bits, which run over the borders of words; dequantise it with its own library"


def plan_gptq_or_awq(look: Look) -> Decoding | str:
    """Tell GPTQ from AWQ by the configuration or the shapes, and plan it.

    Args:
        look: `qweight` with `scales`, perhaps `zeros` and `order`.

    Returns:
        The decoding, or why there is none.
    """
    codes, scales = look.codes.shape, look.parts["scale"].shape
    if len(codes) != 2 or len(scales) != 2:
        return (
            f"GPTQ or AWQ codes {list(codes)} with scales {list(scales)}; dequantise it with its own library"
        )
    settings = told(look.context, look.weight)
    if settings.method == "awq" or codes[1] * 8 == scales[1]:
        return _plan_awq(look)
    if codes[1] != scales[1] or "marlin" in str(settings.settings.get("checkpoint_format", "")):
        return "GPTQ codes in an order made for one kernel (Marlin); give the plain GPTQ checkpoint"
    zeros, order = look.parts.get("zeros"), look.parts.get("order")
    bits = settings.bits
    if order is not None and order.shape[0]:
        bits = codes[0] * 32 // order.shape[0]
    elif zeros is not None:
        bits = zeros.shape[1] * 32 // scales[1]
    if bits is None:
        return "GPTQ without zero points and order, whose number of bits no configuration tells"
    if bits not in _BITS:
        return f"GPTQ {_ODD_BITS.format(bits)}"
    inputs = codes[0] * 32 // bits
    shift = 0 if settings.settings.get("checkpoint_format") == "gptq_v2" else 1
    roles = (zeros is not None, order is not None)
    return Decoding(
        (scales[1], inputs),
        f"int{bits}",
        look.names("scale", "zeros", "order"),
        partial(gptq, bits, shift, roles),
    )


def gptq(
    bits: int, shift: int, has: tuple[bool, bool], codes: Tensor, scales: Tensor, *rest: Tensor
) -> Tensor:
    """Decode GPTQ.

    Args:
        bits: bits of a code.
        shift: what the stored zero points are lower by (1 in the first version of the format).
        has: whether zero points and the order of the groups are among `rest`.
        codes: int32 [in * bits / 32, out].
        scales: [groups, out].
        rest: zero points int32 [groups, out * bits / 32], the group of each input [in].

    Returns:
        float32 [out, in].
    """
    values = unpack(codes, bits, axis=0).float()
    inputs = values.shape[0]
    left = list(rest)
    middle = torch.full((1, scales.shape[1]), 1 << (bits - 1), dtype=torch.float32)
    zeros = ((unpack(left.pop(0), bits).int() + shift) & ((1 << bits) - 1)).float() if has[0] else middle
    group = left.pop(0).long() if has[1] else torch.arange(inputs) // -(-inputs // scales.shape[0])
    zeros = zeros[group] if zeros.shape[0] > 1 else zeros
    return ((values - zeros) * scales.float()[group]).T.contiguous()


def _plan_awq(look: Look) -> Decoding | str:
    inputs, scales = look.codes.shape[0], look.parts["scale"].shape
    if look.codes.shape[1] * 8 != scales[1] or inputs % scales[0]:
        return f"AWQ codes {list(look.codes.shape)} in an order other than GEMM's; dequantise it with its own library"
    return Decoding((scales[1], inputs), "int4", look.names("scale", "zeros"), awq)


def awq(codes: Tensor, scales: Tensor, zeros: Tensor | None = None) -> Tensor:
    """Decode AWQ in the order of its GEMM kernels.

    Args:
        codes: int32 [in, out / 8].
        scales: [groups, out].
        zeros: int32 [groups, out / 8]; None for the middle, 8.

    Returns:
        float32 [out, in].
    """

    def columns(words: Tensor) -> Tensor:
        return torch.unflatten(unpack(words, 4), -1, (-1, 8))[..., list(_AWQ_ORDER)].flatten(-2).float()

    values = columns(codes)
    blocks = (values.shape[0] // scales.shape[0], 1)
    shape = tuple(values.shape)
    offset = spread(columns(zeros), shape, blocks) if zeros is not None else 8.0
    return ((values - offset) * spread(scales.float(), shape, blocks)).T.contiguous()


def plan_mlx(look: Look) -> Decoding | str:
    """Plan MLX's affine quantisation.

    Args:
        look: the codes, `scale`, `bias`.

    Returns:
        The decoding, or why there is none.
    """
    if "bias" not in look.parts:
        return "MLX codes with scales but no biases (a floating layout of MLX); dequantise it with mlx.core.dequantize"
    words, scales = look.codes.shape, look.parts["scale"].shape
    if len(words) < 2 or words[:-1] != scales[:-1]:
        return f"MLX codes {list(words)} with scales {list(scales)} that do not fit"
    settings = told(look.context, look.weight)
    bits, group = settings.bits, settings.group
    if bits is None or group is None:
        return (
            "MLX codes, whose bits and group size no config.json tells; put the model's config.json beside it"
        )
    if bits not in _BITS:
        return f"MLX {_ODD_BITS.format(bits)}"
    cols = words[-1] * 32 // bits
    if scales[-1] * group != cols:
        return f"MLX codes {list(words)} with scales {list(scales)} that do not fit {bits} bits in groups of {group}"
    stacked = len(words) > 2
    return Decoding(
        (*words[:-1], cols), f"int{bits}", look.names("scale", "bias"), partial(mlx, bits, group), stacked
    )


def mlx(bits: int, group: int, codes: Tensor, scales: Tensor, biases: Tensor) -> Tensor:
    """Decode MLX's affine quantisation.

    Args:
        bits: bits of a code.
        group: inputs that share a scale.
        codes: uint32 [..., rows, cols * bits / 32].
        scales: [..., rows, cols / group].
        biases: as `scales`: what code 0 stands for.

    Returns:
        float32 [..., rows, cols].
    """
    values = torch.unflatten(unpack(codes, bits).float(), -1, (-1, group))
    return values.mul_(scales.float().unsqueeze(-1)).add_(biases.float().unsqueeze(-1)).flatten(-2)


def plan_packed_integers(look: Look) -> Decoding | str:
    """Plan compressed-tensors' packed integers.

    Args:
        look: the codes, `scale`, perhaps `shape`, `zero` and `order`.

    Returns:
        The decoding, or why there is none.
    """
    words, scales = look.codes.shape, look.parts["scale"].shape
    settings = told(look.context, look.weight)
    bits = settings.bits
    shape: tuple[int, ...] | None = None
    if "shape" in look.parts and look.context.read is not None:
        shape = tuple(int(size) for size in look.context.read(look.parts["shape"].name).flatten())
        if len(shape) != 2 or shape[0] != words[0] or not 0 < shape[1] <= 32 * words[1]:
            return f"compressed-tensors codes {list(words)} that do not fit its shape {list(shape)}"
    if bits is None and shape is not None:
        bits = next((b for b in sorted(_BITS) if -(-shape[1] * b // 32) == words[1]), None)
    if bits is None:
        return (
            "compressed-tensors codes, whose number of bits no configuration tells; put config.json beside it"
        )
    if bits not in _BITS:
        return f"compressed-tensors {_ODD_BITS.format(bits)}"
    shape = shape or (words[0], words[1] * 32 // bits)
    if "order" in look.parts and scales[-1] > 1:
        return "compressed-tensors codes whose groups are in the order of activations; dequantise it with its library"
    group = settings.group or -(-shape[1] // scales[-1])
    if prod(scales) != 1 and (scales[0] not in {1, shape[0]} or -(-shape[1] // group) < scales[-1]):
        return f"compressed-tensors codes with scales {list(scales)} that do not fit its shape {list(shape)}"
    if scales[-1] == 1 or len(scales) < 2:
        group = shape[1]
    return Decoding(
        shape, f"int{bits}", look.names("scale", "zero"), partial(packed_integers, bits, group, shape)
    )


def packed_integers(
    bits: int, group: int, shape: tuple[int, ...], codes: Tensor, scales: Tensor, zeros: Tensor | None = None
) -> Tensor:
    """Decode compressed-tensors' packed integers.

    Args:
        bits: bits of a code.
        group: inputs that share a scale.
        shape: of the weight, [rows, cols].
        codes: int32 [rows, ceil(cols * bits / 32)]; a code is the signed value plus half its range.
        scales: [rows or 1, groups].
        zeros: int32 [ceil(rows * bits / 32), groups], packed along the rows; None for 0.

    Returns:
        float32 [rows, cols].
    """
    half = 1 << (bits - 1)
    values = unpack(codes, bits)[:, : shape[1]].float() - half
    blocks = (1, group)
    scales = (
        scales.float().reshape(-1, scales.shape[-1]) if scales.ndim > 1 else scales.float().reshape(-1, 1)
    )
    if zeros is not None:
        offset = unpack(zeros, bits, axis=0)[: shape[0]].float() - half
        values = values - spread(offset, shape, blocks)
    return values * spread(scales, shape, blocks)
