"""Checkpoints of transformers' own classes, and of torch's recurrent ones, inspected from the files they save."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import eigentrail as et

transformers = pytest.importorskip("transformers")


def gpt2() -> object:
    config = transformers.GPT2Config(n_layer=2, n_head=4, n_embd=64, vocab_size=120, n_positions=32)
    return transformers.GPT2LMHeadModel(config)


def llama() -> object:
    config = transformers.LlamaConfig(
        hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        vocab_size=120,
    )  # fmt: skip
    return transformers.LlamaForCausalLM(config)


def mixtral() -> object:
    config = transformers.MixtralConfig(
        hidden_size=64, intermediate_size=96, num_hidden_layers=1, num_attention_heads=4, num_key_value_heads=2,
        vocab_size=120, num_local_experts=3,
    )  # fmt: skip
    return transformers.MixtralForCausalLM(config)


EXPECTED = {
    "gpt2": (
        gpt2,
        ["transformer.h.0.attn.c_attn.weight:q", "transformer.h.1.mlp.c_fc.weight"],
        {(64, 64), (64, 256)},
    ),
    "llama": (
        llama,
        ["model.layers.0.self_attn.k_proj.weight", "model.layers.1.mlp.gate_proj.weight"],
        {(32, 64)},
    ),
    "mixtral": (mixtral, ["model.layers.0.self_attn.q_proj.weight"], {(64, 64)}),
}


@pytest.mark.parametrize("family", EXPECTED)
def test_every_weight_of_a_saved_model_is_seen_or_skipped_with_a_reason(family: str, tmp_path: Path) -> None:
    build, names, shapes = EXPECTED[family]
    torch.manual_seed(0)
    model = build()
    model.save_pretrained(tmp_path)  # type: ignore[attr-defined]
    found = et.inspect(tmp_path)
    assert set(names) <= set(found.table["name"])
    sides = {tuple(sorted((r, c))) for r, c in zip(found.table["rows"], found.table["cols"], strict=True)}
    assert {tuple(sorted(s)) for s in shapes} <= sides
    assert all("vector" in s.reason for s in found.skipped), found.skipped
    # All entries of all tensors with two axes or more are in exactly one matrix.
    state = {p.data_ptr(): p for p in model.parameters() if p.ndim >= 2}  # type: ignore[attr-defined]
    seen = sum(
        m * r * c for m, r, c in zip(*(found.table[k] for k in ("matrices", "rows", "cols")), strict=True)
    )
    assert seen == sum(p.numel() for p in state.values())
    if family == "mixtral":
        experts = [n for n in found.table["name"] if "experts" in n]
        assert len(experts) == 9  # 3 experts: gate, up, down


def test_a_recurrent_net_is_seen_by_its_gates(tmp_path: Path) -> None:
    torch.manual_seed(0)
    torch.save(nn.LSTM(24, 32, num_layers=2).state_dict(), tmp_path / "lstm.pt")
    found = et.inspect(tmp_path / "lstm.pt")
    assert len(found.table) == 16  # 2 layers, input and hidden, 4 gates each
    assert {"weight_ih_l0:i", "weight_hh_l1:o"} <= set(found.table["name"])
    assert all("vector" in s.reason for s in found.skipped)
