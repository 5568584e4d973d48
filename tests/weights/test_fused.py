"""Fused projections: planted spikes survive the splitting, every layout is cut where it should be."""

from __future__ import annotations

import pytest
import torch
from planning import assert_partition, noise, plan, spike
from torch import nn

from eigentrail.weights import open_store

HEADS, KV, SIZE, WIDTH = 8, 2, 16, 128
CONSECUTIVE = {
    "model_type": "phi3",
    "num_attention_heads": HEADS,
    "num_key_value_heads": KV,
    "hidden_size": WIDTH,
}


def behind(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """q, k, v one behind the other."""
    return torch.cat([q, k, v])


def turned(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """q, k, v one behind the other, inputs first."""
    return torch.cat([q, k, v]).T.contiguous()


def interleave(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, groups: int) -> torch.Tensor:
    """Alternate the rows of q, k, v group by group."""
    return torch.cat(
        [piece for parts in zip(*(x.chunk(groups) for x in (q, k, v)), strict=True) for piece in parts]
    )


# layout -> (parameter name, configuration, how it is stored, number of key-value heads)
LAYOUTS = {
    "timm": ("blocks.0.attn.qkv.weight", {}, behind, HEADS),
    "phi3": ("layers.0.self_attn.qkv_proj.weight", CONSECUTIVE, behind, KV),
    "mpt": ("blocks.0.attn.Wqkv.weight", {"model_type": "mpt", "n_heads": HEADS, "d_model": 128}, behind, HEADS),
    "dbrx": (
        "blocks.0.norm_attn_norm.attn.Wqkv.weight",
        {"model_type": "dbrx", "n_heads": HEADS, "d_model": WIDTH, "attn_config": {"kv_n_heads": KV}},
        behind,
        KV,
    ),
    "baichuan": ("layers.0.self_attn.W_pack.weight", {}, behind, HEADS),
    "gpt2": ("h.0.attn.c_attn.weight", {"model_type": "gpt2", "n_head": HEADS, "n_embd": WIDTH}, turned, HEADS),
    "gpt2 without its config": ("h.0.attn.c_attn.weight", {}, turned, HEADS),
    "nanogpt": ("h.0.attn.c_attn.weight", {}, behind, HEADS),
    "neox": (
        "gpt_neox.layers.0.attention.query_key_value.weight",
        {"model_type": "gpt_neox", "num_attention_heads": HEADS},
        lambda q, k, v: interleave(q, k, v, HEADS),
        HEADS,
    ),
    "falcon": (
        "h.0.self_attention.query_key_value.weight",
        {"model_type": "falcon", "num_attention_heads": HEADS, "num_kv_heads": KV, "new_decoder_architecture": True},
        lambda q, k, v: interleave(q, k, v, KV),
        KV,
    ),
    "falcon multi-query": (
        "h.0.self_attention.query_key_value.weight",
        {"model_type": "falcon", "num_attention_heads": HEADS, "num_kv_heads": HEADS, "multi_query": True},
        behind,
        1,
    ),
    "internlm2": (
        "layers.0.attention.wqkv.weight",
        {"model_type": "internlm2", "num_attention_heads": HEADS, "num_key_value_heads": KV},
        lambda q, k, v: interleave(q, k, v, KV),
        KV,
    ),
    "chatglm2": (
        "encoder.layers.0.self_attention.query_key_value.weight",
        {
            "model_type": "chatglm", "multi_query_attention": True, "multi_query_group_num": KV,
            "num_attention_heads": HEADS, "kv_channels": SIZE,
        },
        behind,
        KV,
    ),
    "chatglm": (
        "layers.0.attention.query_key_value.weight",
        {"model_type": "chatglm", "num_attention_heads": HEADS},
        lambda q, k, v: interleave(q, k, v, HEADS),
        HEADS,
    ),
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("planted", ["q", "k", "v"])
def test_a_spike_planted_in_one_part_is_found_in_that_part_only(layout, planted) -> None:
    name, config, stored, kv_heads = LAYOUTS[layout]
    rows = {"q": HEADS * SIZE, "k": kv_heads * SIZE, "v": kv_heads * SIZE}
    parts = {x: noise(rows[x], WIDTH, seed=ord(x)) for x in "qkv"}
    parts[planted] += spike(rows[planted], WIDTH, 100.0)
    tensors = {name: stored(parts["q"], parts["k"], parts["v"])}
    specs, skipped = plan(tensors, config)
    assert not skipped
    assert [s.name for s in specs.values()] == [f"{name}:{x}" for x in "qkv"]
    assert [s.kind for s in specs.values()] == [f"attention.{x}" for x in "qkv"]
    for x in "qkv":
        seen = specs[f"{name}:{x}"].build(tensors.__getitem__)
        assert torch.equal(seen, parts[x])
        largest = torch.linalg.matrix_norm(seen, 2)
        # Noise of unit variance reaches sqrt(n) + sqrt(m) = 22.6 at most here; the spike stands at 100.
        assert (largest > 95) == (x == planted), (x, largest)


@pytest.mark.parametrize("layout", [x for x in LAYOUTS if LAYOUTS[x][1]])
def test_heads_are_cut_where_the_configuration_tells_them(layout) -> None:
    name, config, stored, kv_heads = LAYOUTS[layout]
    parts = {x: noise((HEADS if x == "q" else kv_heads) * SIZE, WIDTH, seed=ord(x)) for x in "qkv"}
    tensors = {name: stored(parts["q"], parts["k"], parts["v"])}
    specs, _ = plan(tensors, config, heads=True)
    assert len(specs) == HEADS + 2 * kv_heads
    assert_partition(list(specs.values()), tensors, name)
    for x in "qkv":
        for h in range(HEADS if x == "q" else kv_heads):
            seen = specs[f"{name}:{x}.h{h}"]
            assert seen.kind == f"attention.{x}"
            assert torch.equal(seen.build(tensors.__getitem__), parts[x][h * SIZE : (h + 1) * SIZE])


def test_the_output_projection_tells_the_queries_of_grouped_attention() -> None:
    tensors = {"a.qkv_proj.weight": noise(96 + 2 * 24, 80), "a.o_proj.weight": noise(80, 96)}
    specs, _ = plan(tensors)
    assert [(s.name[-1], s.rows) for s in specs.values()][:3] == [("q", 96), ("k", 24), ("v", 24)]
    assert specs["a.qkv_proj.weight:q"].note is None


def test_without_any_word_on_the_queries_the_note_says_what_is_taken() -> None:
    specs, _ = plan({"a.qkv_proj.weight": noise(80 + 2 * 20, 80)})
    assert [s.rows for s in specs.values()] == [80, 20, 20]
    assert "no configuration" in specs["a.qkv_proj.weight:k"].note


@pytest.mark.parametrize(
    ("name", "shape", "config", "word"),
    [
        ("gpt_neox.layers.0.attention.query_key_value.weight", (48, 16), {}, "config.json"),
        ("h.0.query_key_value.weight", (48, 16), {"model_type": "bloom"}, "number of heads"),
        (
            "h.0.query_key_value.weight",
            (50, 16),
            {"model_type": "falcon", "num_attention_heads": 4},
            "do not fit",
        ),
        ("a.qkv.weight", (35, 16), {}, "do not tell their sizes"),
        ("m.gate_up_proj.weight", (35, 16), {}, "not twice"),
    ],
)
def test_what_cannot_be_cut_is_seen_whole_and_the_note_says_why(name, shape, config, word) -> None:
    tensors = {name: noise(*shape)}
    (spec,) = plan(tensors, config)[0].values()
    assert spec.name == name
    assert word in spec.note
    assert torch.equal(spec.build(tensors.__getitem__), tensors[name])


def test_codegen_keeps_q_v_k_in_four_blocks() -> None:
    q, k, v = (noise(32, 32, seed=s) for s in range(3))
    tensors = {"h.0.attn.qkv_proj.weight": interleave(q, v, k, 4)}
    specs, _ = plan(tensors, {"model_type": "codegen", "n_head": 4, "n_embd": 32})
    for x, part in zip("qkv", (q, k, v), strict=True):
        assert torch.equal(specs[f"h.0.attn.qkv_proj.weight:{x}"].build(tensors.__getitem__), part)


def test_big_code_has_one_key_and_value_or_alternating_heads() -> None:
    name = "h.0.attn.c_attn.weight"
    base = {"model_type": "gpt_bigcode", "n_head": 4, "n_embd": 32}
    q, k, v = noise(32, 32, seed=1), noise(32, 32, seed=2), noise(32, 32, seed=3)
    one = {name: torch.cat([q, k[:8], v[:8]])}
    many = {name: interleave(q, k, v, 4)}
    shared, _ = plan(one, {**base, "multi_query": True})
    assert torch.equal(shared[f"{name}:k"].build(one.__getitem__), k[:8])
    apart, _ = plan(many, {**base, "multi_query": False})
    assert torch.equal(apart[f"{name}:k"].build(many.__getitem__), k)


@pytest.mark.parametrize("planted", ["gate", "up"])
@pytest.mark.parametrize(
    "name", ["layers.0.mlp.gate_up_proj.weight", "blocks.0.mlp.w12.weight", "layers.0.mlp.Wi.weight"]
)
def test_gate_and_up_are_cut_apart(name, planted) -> None:
    parts = {"gate": noise(96, 64, seed=1), "up": noise(96, 64, seed=2)}
    parts[planted] += spike(96, 64, 100.0)
    tensors = {name: torch.cat([parts["gate"], parts["up"]])}
    specs, _ = plan(tensors)
    for x in parts:
        seen = specs[f"{name}:{x}"].build(tensors.__getitem__)
        assert torch.equal(seen, parts[x])
        assert (torch.linalg.matrix_norm(seen, 2) > 95) == (x == planted)


def test_diffusers_keep_the_gate_second() -> None:
    tensors = {"ff.net.0.proj.weight": noise(24, 6), "ff.net.2.weight": noise(6, 12)}
    specs, _ = plan(tensors)
    assert torch.equal(
        specs["ff.net.0.proj.weight:gate"].build(tensors.__getitem__), tensors["ff.net.0.proj.weight"][12:]
    )
    assert "ff.net.2.weight" in specs


def test_a_key_value_projection_is_cut_in_two() -> None:
    tensors = {"attn.kv.weight": noise(32, 16)}
    specs, _ = plan(tensors)
    assert torch.equal(specs["attn.kv.weight:v"].build(tensors.__getitem__), tensors["attn.kv.weight"][16:])


def test_latent_attention_is_cut_by_head_and_by_purpose() -> None:
    config = {"model_type": "deepseek_v3", "num_attention_heads": 4, "kv_lora_rank": 8, "qk_rope_head_dim": 4,
              "qk_nope_head_dim": 5, "v_head_dim": 6}  # fmt: skip
    tensors = {"a.kv_b_proj.weight": noise(44, 8), "a.kv_a_proj_with_mqa.weight": noise(12, 32)}
    specs, _ = plan(tensors, config)
    per_head = tensors["a.kv_b_proj.weight"].reshape(4, 11, 8)
    assert torch.equal(
        specs["a.kv_b_proj.weight:k"].build(tensors.__getitem__), per_head[:, :5].reshape(20, 8)
    )
    assert torch.equal(
        specs["a.kv_b_proj.weight:v"].build(tensors.__getitem__), per_head[:, 5:].reshape(24, 8)
    )
    assert [specs[f"a.kv_a_proj_with_mqa.weight:{x}"].rows for x in ("latent", "rope")] == [8, 4]
    apart, _ = plan(tensors, config, heads=True)
    assert torch.equal(apart["a.kv_b_proj.weight:v.h2"].build(tensors.__getitem__), per_head[2, 5:])


@pytest.mark.parametrize("from_module", [True, False])
def test_torch_multihead_attention(from_module) -> None:
    layer = nn.MultiheadAttention(32, 4).double()
    tensors = {f"attn.{n}": t for n, t in layer.state_dict().items()}
    store = open_store(nn.ModuleDict({"attn": layer}))
    specs, skipped = plan(tensors, None, store.modules if from_module else None, heads=from_module)
    assert all(reason == "a vector, not a matrix" for reason in skipped.values())
    if not from_module:
        assert list(specs) == [f"attn.in_proj_weight:{x}" for x in "qkv"] + ["attn.out_proj.weight"]
        assert torch.equal(
            specs["attn.in_proj_weight:k"].build(tensors.__getitem__), layer.in_proj_weight[32:64]
        )
        return
    x = noise(5, 1, 32)
    seen = {n: s.build(tensors.__getitem__) for n, s in specs.items()}
    heads = []
    for h in range(4):
        q, k, v = (x[:, 0] @ seen[f"attn.in_proj_weight:{p}.h{h}"].T for p in "qkv")
        heads.append(torch.softmax(q @ k.T / 8**0.5, -1) @ v)
    expected = torch.cat(heads, -1) @ seen["attn.out_proj.weight"].T
    torch.testing.assert_close(layer(x, x, x)[0][:, 0].detach(), expected)


def test_multihead_attention_with_other_widths_keeps_its_projections() -> None:
    tensors = nn.MultiheadAttention(32, 4, kdim=10, vdim=12, add_bias_kv=True).state_dict()
    specs, skipped = plan(tensors)
    kinds = {n: (s.kind, s.cols) for n, s in specs.items()}
    assert kinds["k_proj_weight"] == ("attention.k", 10)
    assert kinds["v_proj_weight"] == ("attention.v", 12)
    assert {"bias_k", "bias_v"} <= set(skipped)


def test_towers_have_their_own_heads() -> None:
    config = {
        "text_config": {"num_attention_heads": 4, "num_key_value_heads": 2, "hidden_size": 32},
        "vision_config": {"num_attention_heads": 8, "hidden_size": 32},
    }
    tensors = {
        "model.layers.0.self_attn.k_proj.weight": noise(16, 32),
        "vision_tower.0.attn.qkv.weight": noise(96, 32),
    }
    specs, _ = plan(tensors, config, heads=True)
    assert sum("k_proj" in name for name in specs) == 2
    assert sum(":q.h" in name for name in specs) == 8
