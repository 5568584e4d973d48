"""The transformers library's own classes, tiny, saved and planned.

The models themselves say whether a part is what its name says. Attention does not change when the queries of some heads
grow fourfold and their keys shrink fourfold; scaling the values of a head scales that head's columns in what enters the
output projection and nothing else. A gated feed-forward layer is linear in its up projection and zero without its gate.
All hold exactly without biases, whatever the layout.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from planning import assert_partition, places, plan

from eigentrail.weights import open_store

transformers = pytest.importorskip("transformers")

TINY = {"vocab_size": 40, "hidden_size": 32, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 4,
        "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}  # fmt: skip
OPENAI = {
    "vocab_size": 40,
    "n_positions": 16,
    "n_embd": 32,
    "n_layer": 1,
    "n_head": 4,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
GROUPED = {**TINY, "num_key_value_heads": 2}
FALCON = {k: v for k, v in TINY.items() if k != "intermediate_size"}

# family -> (class, settings, end of the output projection's name, query heads, key-value heads)
ATTENTION: dict[str, tuple[str, dict[str, Any], str, int, int]] = {
    "gpt2": ("GPT2", OPENAI, "attn.c_proj", 4, 4),
    "llama": ("Llama", GROUPED, "o_proj", 4, 2),
    "mixtral": ("Mixtral", {**GROUPED, "num_local_experts": 3}, "o_proj", 4, 2),
    "gpt-neox": ("GPTNeoX", TINY, "attention.dense", 4, 4),
    "bloom": (
        "Bloom",
        {"vocab_size": 40, "hidden_size": 32, "n_layer": 1, "n_head": 4},
        "self_attention.dense",
        4,
        4,
    ),
    "falcon": (
        "Falcon",
        {**FALCON, "num_kv_heads": 2, "new_decoder_architecture": True},
        "attention.dense",
        4,
        2,
    ),
    "falcon multi-query": ("Falcon", FALCON, "attention.dense", 4, 1),
    "falcon multi-head": ("Falcon", {**FALCON, "multi_query": False}, "attention.dense", 4, 4),
    "phi3": ("Phi3", GROUPED, "o_proj", 4, 2),
    "mpt": ("Mpt", {"vocab_size": 40, "d_model": 32, "n_heads": 4, "n_layers": 1}, "attn.out_proj", 4, 4),
    "persimmon": ("Persimmon", {**TINY, "qk_layernorm": False}, "self_attn.dense", 4, 4),
    "codegen": ("CodeGen", {**OPENAI, "n_head": 8, "rotary_dim": 4}, "attn.out_proj", 8, 8),
    "bigcode": ("GPTBigCode", OPENAI, "attn.c_proj", 4, 1),
    "bigcode multi-head": ("GPTBigCode", {**OPENAI, "multi_query": False}, "attn.c_proj", 4, 4),
    "qwen2-moe": (
        "Qwen2Moe",
        {**GROUPED, "num_experts": 3, "moe_intermediate_size": 24, "num_experts_per_tok": 2},
        "o_proj",
        4,
        2,
    ),
}
GATED: dict[str, tuple[str, dict[str, Any], str]] = {
    "phi3": ("Phi3", GROUPED, "mlp"),
    "glm4": ("Glm4", {**GROUPED, "head_dim": 8}, "mlp"),
    "mixtral": ("Mixtral", {**GROUPED, "num_local_experts": 3}, "experts"),
    "qwen2-moe": (
        "Qwen2Moe",
        {**GROUPED, "num_experts": 3, "moe_intermediate_size": 20, "num_experts_per_tok": 2},
        "experts",
    ),
    "llama4": (
        "Llama4",
        {**GROUPED, "intermediate_size_mlp": 40, "num_local_experts": 3, "head_dim": 8},
        "experts",
    ),
    "granite-moe": ("GraniteMoe", {**GROUPED, "num_local_experts": 3}, "experts"),
    "gpt-oss": (
        "GptOss",
        {**GROUPED, "num_local_experts": 3, "head_dim": 8, "num_experts_per_tok": 2},
        "experts",
    ),
}


def build(family: str, settings: dict[str, Any]):
    """A tiny model with large random weights and without biases."""
    config = getattr(transformers, f"{family}TextConfig" if family == "Llama4" else f"{family}Config")(
        **settings
    )
    config._experts_implementation = "eager"  # the grouped one has no double precision
    torch.manual_seed(0)
    kind = "GPT2LMHeadModel" if family == "GPT2" else f"{family}ForCausalLM"
    model = getattr(transformers, kind)(config).double().eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
            elif parameter.ndim > 1:
                parameter.copy_(torch.randn_like(parameter) / parameter.shape[-1] ** 0.5)
    return model


def captured(model, ending: str, *, output: bool = False) -> torch.Tensor:
    """What enters (or leaves) the first module of that name for a fixed text."""
    module = next(m for name, m in model.named_modules() if name.endswith(ending))
    caught: list[torch.Tensor] = []

    def catch(_module, given, made=None) -> None:
        value = made if output else given
        caught.append((value[0] if isinstance(value, tuple) else value).detach().clone())

    handle = module.register_forward_hook(catch) if output else module.register_forward_pre_hook(catch)
    with torch.no_grad():
        model(torch.tensor([[3, 1, 4, 15, 9, 26]]), use_cache=False)
    handle.remove()
    return caught[0]


def scaled(model, specs, factors: dict[str, float]) -> None:
    """Multiply the numbers of some planned matrices in the model itself."""
    tensors = model.state_dict()
    with torch.no_grad():
        for name, factor in factors.items():
            stored = tensors[specs[name].tensors[0]]
            stored.view(-1)[places(specs[name], tensors).flatten()] *= factor


def module_plan(model):
    store = open_store(model)
    return plan({n: store.read(n) for n in store.entries}, store.config, store.modules, heads=True)[0]


@pytest.mark.parametrize("family", ATTENTION)
def test_every_head_of_every_layout_is_where_the_model_has_it(family) -> None:
    name, settings, ending, heads, kv_heads = ATTENTION[family]
    model = build(name, settings)
    specs = module_plan(model)
    part = {
        (s.kind[-1], int(n.rpartition("h")[2])): n
        for n, s in specs.items()
        if s.kind.startswith("attention.")
    }
    assert len(part) == heads + 2 * kv_heads
    before, size, group = captured(model, ending), 32 // heads, heads // kv_heads
    last = kv_heads - 1
    queries = range(last * group, heads)
    scaled(model, specs, {part["q", h]: 4.0 for h in queries} | {part["k", last]: 0.25})
    torch.testing.assert_close(captured(model, ending), before, rtol=1e-9, atol=1e-11)
    scaled(model, specs, {part["k", last]: 4.0})
    changed = (captured(model, ending) - before).abs().flatten(0, -2).amax(0).reshape(heads, size).amax(1)
    assert [bool(c > 1e-4) for c in changed] == [h in queries for h in range(heads)]
    scaled(model, specs, {part["q", h]: 0.25 for h in queries} | {part["v", last]: 4.0})
    expected = before.clone()
    expected[..., last * group * size :] *= 4
    torch.testing.assert_close(captured(model, ending), expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("family", GATED)
def test_gate_and_up_are_what_the_model_takes_them_for(family) -> None:
    name, settings, ending = GATED[family]
    model = build(name, settings)
    specs = module_plan(model)
    ups = [n for n, s in specs.items() if s.kind in {"mlp.up", "expert.up"}]
    gates = [n for n, s in specs.items() if s.kind in {"mlp.gate", "expert.gate"}]
    assert len(ups) == len(gates) == (1 if ending == "mlp" else 3)
    before = captured(model, ending, output=True)
    if family != "gpt-oss":  # its up projection is clamped and shifted by one
        scaled(model, specs, dict.fromkeys(ups, 4.0))
        torch.testing.assert_close(captured(model, ending, output=True), 4 * before)
    scaled(model, specs, dict.fromkeys(gates, 0.0))
    assert before.abs().max() > 1e-3
    assert captured(model, ending, output=True).abs().max() == 0


@pytest.mark.parametrize("family", {**ATTENTION, **GATED})
def test_a_saved_checkpoint_is_seen_without_a_gap(family, tmp_path) -> None:
    name, settings = (ATTENTION.get(family) or GATED[family])[:2]
    model = build(name, settings)
    model.save_pretrained(tmp_path)
    store = open_store(tmp_path)
    tensors = {n: store.read(n) for n in store.entries}
    for heads in (False, True):
        specs, skipped = plan(tensors, store.config, heads=heads)
        for left, reason in skipped.items():
            assert "vector" in reason or "biases" in reason, (left, reason)
            assert (
                "norm" in left
                or "bias" in left
                or "ln_" in left
                or left.endswith(("sinks", "shared_expert_gate.weight"))
            )
        assert all(s.note is None for s in specs.values())
        for stored in tensors:
            if stored not in skipped:
                assert_partition(list(specs.values()), tensors, stored)
    from_module = module_plan(model)
    if set(model.state_dict()) - {"lm_head.weight"} == set(tensors) - {"lm_head.weight"}:
        assert {n: (s.kind, s.rows, s.cols) for n, s in from_module.items()} == {
            n: (s.kind, s.rows, s.cols) for n, s in specs.items() if n in from_module or n != "lm_head.weight"
        }


def test_mixtral_saves_its_experts_apart_and_both_ways_agree(tmp_path) -> None:
    model = build("Mixtral", ATTENTION["mixtral"][1])
    model.save_pretrained(tmp_path)
    disk = open_store(tmp_path)
    saved = plan({n: disk.read(n) for n in disk.entries}, disk.config)[0]
    memory, stacked = model.state_dict(), module_plan(model)
    for e in range(3):
        apart = f"model.layers.0.block_sparse_moe.experts.{e}."
        together = "model.layers.0.mlp.experts."
        for one, other in (
            ("w1", "gate_up_proj:e{}.gate"),
            ("w3", "gate_up_proj:e{}.up"),
            ("w2", "down_proj:e{}"),
        ):
            seen = stacked[together + other.format(e)].build(memory.__getitem__)
            assert torch.equal(saved[f"{apart}{one}.weight"].build(disk.read), seen)


def test_gpt2_is_seen_in_natural_orientation(tmp_path) -> None:
    model = build("GPT2", OPENAI)
    model.save_pretrained(tmp_path)
    for folder in (tmp_path,):
        store = open_store(folder)
        for config in (store.config, {}):
            specs, _ = plan({n: store.read(n) for n in store.entries}, config)
            wide = next(s for n, s in specs.items() if n.endswith("mlp.c_fc.weight"))
            square = next(s for n, s in specs.items() if n.endswith("attn.c_proj.weight"))
            assert (wide.kind, wide.rows, wide.cols) == ("conv1d-hf", 128, 32)
            assert torch.equal(square.build(store.read), model.transformer.h[0].attn.c_proj.weight.T)
