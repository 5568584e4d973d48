"""Quantised checkpoints written by hand: each layout packs a weight in plain loops over numpy, apart from the readers.

Every writer takes a weight [rows, cols] (rows a multiple of 8, cols of 128) and returns the stored tensors under
`fc.*`, the settings beside them and the weight that the codes stand for, in float64.
"""

from __future__ import annotations

import json

import numpy as np
import torch

FP4 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6])
NF4 = np.array([
    -1.0, -0.6961928, -0.52507305, -0.3949175, -0.28444138, -0.18477343, -0.09105004, 0.0, 0.0795803, 0.1609302,
    0.2461123, 0.33791524, 0.44070983, 0.562617, 0.72295684, 1.0,
])  # fmt: skip


def _float8(x):
    return torch.from_numpy(np.ascontiguousarray(x)).float().to(torch.float8_e4m3fn)


def _blocks(w, rows, cols):
    """Largest magnitude of each block, and which block each entry lies in."""
    i, j = np.arange(w.shape[0]) // rows, np.arange(w.shape[1]) // cols
    largest = np.zeros((i[-1] + 1, j[-1] + 1))
    np.maximum.at(largest, (i[:, None], j[None]), np.abs(w))
    return largest, (i[:, None], j[None])


def _fp8(w, rows, cols):
    largest, place = _blocks(w, rows, cols)
    scale = torch.from_numpy(largest / 448).float()
    codes = _float8(w / scale.double().numpy()[place])
    return codes, scale, codes.double().numpy() * scale.double().numpy()[place]


def fp8_tensor(w):
    codes, scale, truth = _fp8(w, *w.shape)
    return (
        {"fc.weight": codes, "fc.weight_scale": scale.reshape(()), "fc.input_scale": torch.ones(())},
        {},
        truth,
    )


def fp8_row(w):
    codes, scale, truth = _fp8(w, 1, w.shape[1])
    return {"fc.weight": codes, "fc.weight_scale": scale.reshape(-1, 1)}, {}, truth


def fp8_block_deepseek(w):
    codes, scale, truth = _fp8(w, 128, 128)
    config = {"quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]}}
    return {"fc.weight": codes, "fc.weight_scale_inv": scale}, config, truth


def fp8_block_untold(w):
    codes, scale, truth = _fp8(w, 128, 128)
    return {"fc.weight": codes, "fc.weight_scale_inv": scale}, {}, truth


def fp8_block_compressed(w):
    codes, scale, truth = _fp8(w, 64, 128)
    group = {"weights": {"num_bits": 8, "strategy": "block", "block_structure": [64, 128]}}
    config = {
        "quantization_config": {"quant_method": "compressed-tensors", "config_groups": {"group_0": group}}
    }
    return {"fc.weight": codes, "fc.weight_scale": scale}, {"text_config": config}, truth


def fp8_comfyui(w):
    codes, scale, truth = _fp8(w, *w.shape)
    stored = {"fc.weight": codes, "fc.scale_weight": scale.reshape(1), "fc.scale_input": torch.ones(1)}
    return stored | {"scaled_fp8": torch.zeros(2).to(torch.float8_e4m3fn)}, {}, truth


def fp8_torchao(w):
    codes, scale, truth = _fp8(w, 1, w.shape[1])
    return {"fc._weight_qdata": codes, "fc._weight_scale": scale}, {}, truth


def fp8_powers(w):
    """Scales that are powers of two (E8M0), one per 32 inputs: MXFP8."""
    largest, place = _blocks(w, 1, 32)
    exponent = np.ceil(np.log2(largest / 448))
    scale = (2.0**exponent)[place]
    codes = _float8(w / scale)
    stored = torch.from_numpy(exponent + 127).to(torch.uint8).view(torch.float8_e8m0fnu)
    return {"fc.weight": codes, "fc.weight_scale": stored}, {}, codes.double().numpy() * scale


def _int8(w, rows, cols):
    largest, place = _blocks(w, rows, cols)
    scale = torch.from_numpy(largest / 127).float()
    codes = np.round(w / scale.double().numpy()[place]).astype(np.int8)
    return torch.from_numpy(codes), scale, codes * scale.double().numpy()[place]


def int8_row(w):
    codes, scale, truth = _int8(w, 1, w.shape[1])
    return {"fc.weight": codes, "fc.weight_scale": scale}, {}, truth


def int8_group(w):
    codes, scale, truth = _int8(w, 1, 32)
    return {"fc.weight": codes, "fc.weight_scale": scale}, {}, truth


def int8_zero(w):
    codes, scale, _ = _int8(w, 1, w.shape[1])
    zero = torch.arange(w.shape[0]).remainder(7).sub(3).to(torch.int8).reshape(-1, 1)
    truth = (codes.double() - zero.double()) * scale.double()
    return (
        {"fc._weight_qdata": codes, "fc._weight_scale": scale, "fc._weight_zero_point": zero},
        {},
        truth.numpy(),
    )


def int8_bitsandbytes(w):
    largest = torch.from_numpy(np.abs(w).max(1)).float()
    codes = np.round(w / largest.double().numpy()[:, None] * 127).astype(np.int8)
    stored = {
        "fc.weight": torch.from_numpy(codes),
        "fc.SCB": largest,
        "fc.weight_format": torch.zeros((), dtype=torch.uint8),
    }
    return stored, {}, codes * largest.double().numpy()[:, None] / 127


def int8_quanto(w):
    codes, scale, truth = _int8(w, 1, w.shape[1])
    return {"fc.weight._data": codes, "fc.weight._scale": scale}, {}, truth


def _affine(w, bits, group, axis=1):
    """Codes 0 ... 2^bits - 1, scales and zero points per group of inputs."""
    top = 2**bits - 1
    parts = w.reshape(w.shape[0], -1, group)
    low, high = np.minimum(parts.min(2), 0), np.maximum(parts.max(2), 0)
    scale = torch.from_numpy((high - low) / top).half().double().numpy()
    zero = np.clip(np.round(-low / scale), 1, top)
    codes = np.clip(np.round(parts / scale[..., None] + zero[..., None]), 0, top)
    truth = (codes - zero[..., None]) * scale[..., None]
    return codes.reshape(w.shape).astype(np.int64), scale, zero.astype(np.int64), truth.reshape(w.shape)


def _words(codes, bits, axis, order=None):
    """Pack codes into 32-bit words along an axis, the first code lowest."""
    codes = np.moveaxis(codes, axis, -1)
    per = 32 // bits
    grouped = codes.reshape(*codes.shape[:-1], -1, per)
    words = np.zeros(grouped.shape[:-1], np.uint64)
    for place in range(per):
        source = place if order is None else order[place]
        words |= grouped[..., source].astype(np.uint64) << np.uint64(bits * place)
    return torch.from_numpy(np.moveaxis(words.astype(np.uint32), -1, axis).view(np.int32).copy())


def gptq(w, bits=4, group=32, order=None, version=1):
    columns = np.arange(w.shape[1]) if order is None else np.argsort(order, kind="stable")
    codes, scale, zero, truth = _affine(w[:, columns], bits, group)
    back = np.argsort(columns)
    stored = {
        "fc.qweight": _words(codes[:, back].T, bits, 0),
        "fc.qzeros": _words((zero.T - (version == 1)), bits, 1),
        "fc.scales": torch.from_numpy(scale.T.copy()).half(),
        "fc.g_idx": torch.from_numpy((np.arange(w.shape[1]) // group)[back].astype(np.int32)),
    }
    config = {"quant_method": "gptq", "bits": bits, "group_size": group}
    if version == 2:
        config["checkpoint_format"] = "gptq_v2"
    return stored, {"quantization_config": config}, truth[:, back]


def gptq_activation_order(w):
    return gptq(w, order=np.random.default_rng(3).permutation(w.shape[1]))


def gptq_8_bits_version_2(w):
    return gptq(w, bits=8, version=2)


def awq(w):
    codes, scale, zero, truth = _affine(w, 4, 32)
    order = [0, 2, 4, 6, 1, 3, 5, 7]
    stored = {
        "fc.qweight": _words(codes.T, 4, 1, order),
        "fc.qzeros": _words(zero.T, 4, 1, order),
        "fc.scales": torch.from_numpy(scale.T.copy()).half(),
    }
    return stored, {"quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 32}}, truth


def mlx(w, bits=4, group=64):
    codes, scale, zero, _ = _affine(w, bits, group)
    bias = torch.from_numpy(-zero * scale).half()
    spread = lambda x: np.repeat(x, group, axis=1)  # noqa: E731
    truth = codes * spread(scale) + spread(bias.double().numpy())
    stored = {
        "fc.weight": _words(codes, bits, 1).view(torch.uint32),
        "fc.scales": torch.from_numpy(scale).half(),
        "fc.biases": bias,
    }
    return stored, {"quantization": {"group_size": group, "bits": bits}}, truth


def mlx_8_bits(w):
    return mlx(w, 8, 32)


def compressed_integers(w):
    codes, scale, zero, truth = _affine(w, 4, 32)
    stored = {
        "fc.weight_packed": _words(codes, 4, 1),
        "fc.weight_scale": torch.from_numpy(scale).half(),
        "fc.weight_zero_point": _words(zero, 4, 0),
        "fc.weight_shape": torch.tensor(w.shape),
    }
    group = {"weights": {"num_bits": 4, "strategy": "group", "group_size": 32, "symmetric": False}}
    return (
        stored,
        {"quantization_config": {"quant_method": "compressed-tensors", "config_groups": {"g": group}}},
        truth,
    )


def _nearest_fp4(x):
    return np.abs(x[..., None] - FP4).argmin(-1)


def _bytes(codes):
    return torch.from_numpy((codes[..., 0::2] | codes[..., 1::2] << 4).astype(np.uint8))


def nvfp4_modelopt(w):
    largest, place = _blocks(w, 1, 16)
    whole = torch.tensor(np.abs(w).max() / (6 * 448)).float()
    scale = _float8(largest / 6 / whole.double().numpy())
    step = (scale.double() * whole.double()).numpy()[place]
    codes = _nearest_fp4(w / step)
    stored = {
        "fc.weight": _bytes(codes),
        "fc.weight_scale": scale,
        "fc.weight_scale_2": whole,
        "fc.input_scale": torch.ones(()),
    }
    return stored, {}, FP4[codes] * step


def nvfp4_compressed(w):
    largest, place = _blocks(w, 1, 16)
    whole = torch.tensor((6 * 448) / np.abs(w).max()).float()
    scale = _float8(largest / 6 * whole.double().numpy())
    step = (scale.double() / whole.double()).numpy()[place]
    codes = _nearest_fp4(w / step)
    stored = {
        "fc.weight_packed": _bytes(codes), "fc.weight_scale": scale,
        "fc.weight_global_scale": whole.reshape(1), "fc.input_global_scale": torch.ones(1),
    }  # fmt: skip
    return stored, {}, FP4[codes] * step


def _mxfp4(w):
    largest, place = _blocks(w, 1, 32)
    exponent = np.floor(np.log2(largest)) - 2
    step = (2.0**exponent)[place]
    codes = _nearest_fp4(w / step)
    return _bytes(codes), torch.from_numpy(exponent + 127).to(torch.uint8), FP4[codes] * step


def mxfp4(w):
    codes, scale, truth = _mxfp4(w)
    return {"fc.weight": codes, "fc.weight_scale": scale}, {}, truth


def bitsandbytes_nf4(w, *, nested=False):
    size, block = w.size, 64
    flat = w.ravel()
    largest = np.abs(flat.reshape(-1, block)).max(1)
    state = {"quant_type": "nf4", "blocksize": block, "dtype": "bfloat16", "shape": list(w.shape)}
    stored = {"fc.weight.quant_map": torch.from_numpy(NF4).float()}
    if nested:
        offset = largest.mean()
        values = np.linspace(-1, 1, 256)
        inner = np.abs(largest - offset).reshape(-1, 256).max(1) if len(largest) % 256 == 0 else None
        if inner is None:
            inner = np.array(
                [np.abs(largest[i : i + 256] - offset).max() for i in range(0, len(largest), 256)]
            )
        spread = np.repeat(inner, 256)[: len(largest)]
        codes = np.abs(((largest - offset) / spread)[:, None] - values).argmin(1)
        largest = values[codes] * spread + offset
        state |= {"nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": float(offset)}
        stored |= {
            "fc.weight.absmax": torch.from_numpy(codes.astype(np.uint8)),
            "fc.weight.nested_absmax": torch.from_numpy(inner).float(),
            "fc.weight.nested_quant_map": torch.from_numpy(values).float(),
        }
    else:
        stored["fc.weight.absmax"] = torch.from_numpy(largest).float()
    scale = np.repeat(largest, block)[:size]
    codes = np.abs((flat / scale)[:, None] - NF4).argmin(1)
    packed = (codes[0::2] << 4 | codes[1::2]).astype(np.uint8)
    text = json.dumps(state).encode()
    stored["fc.weight.quant_state.bitsandbytes__nf4"] = torch.tensor(list(text), dtype=torch.uint8)
    return (
        {"fc.weight": torch.from_numpy(packed).reshape(-1, 1), **stored},
        {},
        (NF4[codes] * scale).reshape(w.shape),
    )


def bitsandbytes_nested(w):
    return bitsandbytes_nf4(w, nested=True)


WRITERS = {
    writer.__name__: writer
    for writer in (
        fp8_tensor, fp8_row, fp8_block_deepseek, fp8_block_untold, fp8_block_compressed, fp8_comfyui, fp8_torchao,
        fp8_powers, int8_row, int8_group, int8_zero, int8_bitsandbytes, int8_quanto, gptq, gptq_activation_order,
        gptq_8_bits_version_2, awq, mlx, mlx_8_bits, compressed_integers, nvfp4_modelopt, nvfp4_compressed, mxfp4,
        bitsandbytes_nf4, bitsandbytes_nested,
    )
}  # fmt: skip
