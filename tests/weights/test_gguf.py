"""GGUF: every layout of blocks, Llama's order of rows, and headers that lie."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import torch
from planning import noise, spike

import eigentrail as et
from eigentrail.errors import SourceError
from eigentrail.weights import open_weights
from eigentrail.weights.readers.gguf_file import unpaired

gguf = pytest.importorskip("gguf", reason="needs the extra gguf")

KINDS = ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"]
BLOCKS = ["Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"]  # the package reads these and does not write them


def written(path, tensors, family="gpt2", **settings):
    writer = gguf.GGUFWriter(path, family)
    for key, value in settings.items():
        getattr(writer, f"add_{key}")(value)
    for name, (values, kind) in tensors.items():
        writer.add_tensor(name, values, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def packed(weight, kind):
    code = gguf.GGMLQuantizationType[kind]
    return gguf.quants.quantize(weight.numpy().astype(np.float32), code), code


@pytest.mark.parametrize("kind", KINDS)
def test_planted_spikes_survive_every_layout(kind, tmp_path):
    weight = noise(192, 128) / 25 + spike(192, 128, 4.0) + spike(192, 128, 3.0, seed=2)
    stored, code = packed(weight, kind)
    path = written(tmp_path / "m.gguf", {"blk.0.ffn_up.weight": (stored, code)})
    weights = open_weights(path)
    assert list(weights) == ["model.layers.0.mlp.up_proj.weight"]
    found = weights["model.layers.0.mlp.up_proj.weight"]
    truth = torch.from_numpy(np.array(gguf.quants.dequantize(stored, code))).float()
    assert torch.equal(found, truth.reshape(192, 128))
    assert weights.specs["model.layers.0.mlp.up_proj.weight"].dtype.lower() in {
        kind.lower(),
        "float32",
        "float16",
        "bfloat16",
    }
    assert et.spectra.Spectrum.from_matrix(found).marchenko_pastur().spikes == 2


@pytest.mark.parametrize("kind", BLOCKS)
def test_blocks_of_256_are_read_by_the_format_s_own_package(kind, tmp_path):
    code = gguf.GGMLQuantizationType[kind]
    per, size = gguf.GGML_QUANT_SIZES[code]
    raw = np.random.default_rng(0).integers(0, 60, (8, 512 // per * size), dtype=np.uint8)
    path = written(tmp_path / "m.gguf", {"blk.3.attn_v.weight": (raw, code)})
    found = open_weights(path)["model.layers.3.self_attn.v_proj.weight"]
    assert torch.equal(found, torch.from_numpy(np.array(gguf.quants.dequantize(raw, code))).reshape(8, 512))


def test_llama_s_queries_return_to_the_usual_order(tmp_path):
    weight = noise(32, 16).float()
    paired = weight.reshape(4, 2, 4, 16).transpose(1, 2).reshape(32, 16)  # what llama.cpp's converter does
    assert torch.equal(unpaired(paired, 4), weight)
    tensors = {
        "blk.0.attn_q.weight": packed(paired, "F32"),
        "blk.0.attn_k.weight": packed(paired[:16], "F32"),
        "token_embd.weight": packed(noise(40, 16), "F16"),
    }
    path = written(
        tmp_path / "m.gguf",
        tensors,
        "llama",
        head_count=4,
        head_count_kv=2,
        key_length=8,
        embedding_length=16,
        block_count=1,
    )
    weights = open_weights(path, heads=True)
    assert torch.equal(weights["model.layers.0.self_attn.q_proj.weight:h1"], weight[8:16])
    assert torch.equal(weights.tensor("model.layers.0.self_attn.k_proj.weight"), weight[:16])
    assert weights.specs["model.embed_tokens.weight"].aliases == ("lm_head.weight",)


def _cuts(content: bytes):
    yield content[:20]
    yield content[:-1]
    for place in range(4, min(len(content), 200), 7):
        yield content[:place] + struct.pack("<Q", 2**62) + content[place + 8 :]


def test_damaged_headers_are_one_sentence(tmp_path):
    path = written(
        tmp_path / "m.gguf", {"blk.0.attn_q.weight": packed(noise(8, 32), "Q8_0")}, "llama", head_count=2
    )
    content = path.read_bytes()
    for cut in _cuts(content):
        path.write_bytes(cut)
        try:
            weights = open_weights(path)
            for name in weights:
                weights[name]
        except SourceError:
            continue
