"""Four-bit floating codes: NVFP4 and MXFP4 with a scale per 16 or 32 inputs, and bitsandbytes' NF4 and FP4.

Rouhani et al. 2023 (microscaling), Dettmers et al. 2023 (NF4). NVFP4's scales are float8_e4m3 times one number per
tensor, MXFP4's are powers of two.
"""

from __future__ import annotations

import json
from functools import partial
from math import prod

import torch
from torch import Tensor

from eigentrail.weights.quantised.codes import FP4, look_up, scale_values, unpack
from eigentrail.weights.quantised.layout import Decoding, Look

_GROUP = {"float8_e4m3fn": 16, "uint8": 32, "float8_e8m0fnu": 32}
_LONGEST_STATE = 1 << 16


def plan_fp4(look: Look, *, divide: bool) -> Decoding | str:
    """Plan two FP4 codes per byte with a scale per group.

    Args:
        look: the codes [..., rows, cols / 2], `scale` [..., rows, cols / group], perhaps `whole`: one more number.
        divide: that number divides (compressed-tensors) instead of multiplying (modelopt).

    Returns:
        The decoding, or why there is none.
    """
    codes, scale = look.codes.shape, look.parts["scale"]
    group = _GROUP.get(scale.dtype)
    if "comfy" in look.parts:
        return (
            "FP4 codes whose scales are in an order made for one kernel (ComfyUI); give the checkpoint before"
        )
    cols = 2 * codes[-1] if codes else 0
    if group is None or len(codes) < 2 or scale.shape != (*codes[:-1], cols // group) or cols % group:
        return f"FP4 codes {list(codes)} with scales {list(scale.shape)} of {scale.dtype} that do not fit"
    if scale.dtype == "float8_e4m3fn" and "whole" not in look.parts:
        return "NVFP4 codes without the scale of the whole tensor"
    kind = "nvfp4" if group == 16 else "mxfp4"
    return Decoding(
        (*codes[:-1], cols), kind, look.names("scale", "whole"), partial(fp4, group, divide), len(codes) > 2
    )


def fp4(group: int, divide: bool, codes: Tensor, scale: Tensor, whole: Tensor | None = None) -> Tensor:
    """Decode two FP4 codes per byte, the even column in the low half.

    Args:
        group: columns that share a scale.
        divide: whether `whole` divides instead of multiplying.
        codes: uint8 [..., cols / 2].
        scale: [..., cols / group], float8_e4m3, or powers of two in E8M0.
        whole: one number, or one per entry of the first axis.

    Returns:
        float32 [..., cols].
    """
    factor = scale_values(scale)
    if whole is not None:
        number = (
            whole.float().reshape(-1, *[1] * (factor.ndim - 1))
            if whole.numel() > 1
            else whole.float().reshape(())
        )
        factor = factor / number if divide else factor * number
    values = torch.unflatten(look_up(unpack(codes, 4), FP4), -1, (-1, group))
    return values.mul_(factor.unsqueeze(-1)).flatten(-2)


def plan_mxfp4_stack(look: Look) -> Decoding | str:
    """Plan GPT-OSS's stacks of experts, whose other checkpoints are [experts, in, out].

    Args:
        look: the blocks [experts, out, groups, 16], `scale` [experts, out, groups].

    Returns:
        The decoding, or why there is none.
    """
    blocks, scale = look.codes.shape, look.parts["scale"].shape
    if len(blocks) < 3 or blocks[-1] != 16 or scale != blocks[:-1]:
        return f"MXFP4 blocks {list(blocks)} with scales {list(scale)} that do not fit"
    rows, cols = blocks[-3], 32 * blocks[-2]
    shape = (*blocks[:-3], cols, rows) if len(blocks) == 4 else (rows, cols)
    return Decoding(shape, "mxfp4", look.names("scale"), mxfp4_stack, len(blocks) == 4)


def mxfp4_stack(blocks: Tensor, scale: Tensor) -> Tensor:
    """Decode GPT-OSS's stacks of experts.

    Args:
        blocks: uint8 [experts, out, groups, 16], or without the first axis.
        scale: uint8 [experts, out, groups].

    Returns:
        float32 [experts, in, out], as the model keeps it; [out, in] without experts.
    """
    values = fp4(32, False, blocks.flatten(-2), scale)
    return values.transpose(-1, -2).contiguous() if values.ndim == 3 else values


def plan_bitsandbytes(look: Look) -> Decoding | str:
    """Plan bitsandbytes' 4-bit weights, whose shape stands in a text beside them.

    Args:
        look: the codes, `scale` (absmax), `values` (quant_map), `state`, perhaps `nested` and `nested_values`.

    Returns:
        The decoding, or why there is none.
    """
    state_entry = look.parts["state"]
    if look.context.read is None or prod(state_entry.shape) > _LONGEST_STATE:
        return "bitsandbytes 4-bit codes, whose shape cannot be looked up here; dequantise it with its own library"
    try:
        state = json.loads(bytes(look.context.read(state_entry.name).flatten().tolist()))
        shape = tuple(int(size) for size in state["shape"])
        block = int(state["blocksize"])
        nested = (
            (int(state["nested_blocksize"]), float(state["nested_offset"]))
            if "nested" in look.parts
            else None
        )
        fits = min(shape) > 0 and 0 <= 2 * prod(look.codes.shape) - prod(shape) < 2
        fits = fits and block > 0 and -(-prod(shape) // block) == prod(look.parts["scale"].shape)
    except (ValueError, KeyError, TypeError, OverflowError):
        fits = False
    if not fits:
        return "bitsandbytes 4-bit codes with a description that does not fit them; make or download it again"
    kind = str(state.get("quant_type", "nf4"))[:8]
    roles = ("scale", "values", "nested", "nested_values")
    return Decoding(shape, kind, look.names(*roles), partial(bitsandbytes, shape, block, nested))


def bitsandbytes(
    shape: tuple[int, ...], block: int, nested: tuple[int, float] | None,
    codes: Tensor, largest: Tensor, values: Tensor, *rest: Tensor,
) -> Tensor:  # fmt: skip
    """Decode bitsandbytes' 4-bit weights.

    Args:
        shape: of the weight.
        block: weights that share a largest magnitude.
        nested: block size and offset of the second quantisation, of the magnitudes; None for none.
        codes: uint8, two weights a byte, the first one in the high half.
        largest: the magnitude of each block, or its code.
        values: the sixteen values of a code.
        rest: with `nested`: the magnitudes of the magnitudes, and their 256 values.

    Returns:
        float32 of `shape`.
    """
    factor = largest.float().flatten()
    if nested is not None:
        size, offset = nested
        inner = rest[0].float().flatten().repeat_interleave(size)[: factor.numel()]
        factor = look_up(largest.flatten(), rest[1].float().flatten()) * inner + offset
    flat = codes.flatten()
    pairs = torch.stack((flat >> 4, flat & 15), dim=-1).flatten()[: prod(shape)]
    weights = look_up(pairs, values.float().flatten())
    return (weights * factor.repeat_interleave(block)[: weights.numel()]).reshape(shape)
