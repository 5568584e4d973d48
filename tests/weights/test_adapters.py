"""Low-rank adapters in the format of PEFT, files written by hand."""

from __future__ import annotations

import json

import pytest
import torch
from planning import noise, plan, spike
from safetensors.torch import save_file

from eigentrail.weights import open_store

ROOT = "base_model.model.model.layers.0."
CONFIG = {"peft_type": "LORA", "r": 4, "lora_alpha": 16}


def factors(
    module: str = "self_attn.q_proj",
    out: int = 24,
    into: int = 20,
    rank: int = 4,
    infix: str = "",
    seed: int = 0,
):
    return {
        f"{ROOT}{module}.lora_A{infix}.weight": noise(rank, into, seed=seed, dtype=torch.float32),
        f"{ROOT}{module}.lora_B{infix}.weight": noise(out, rank, seed=seed + 1, dtype=torch.float32),
    }


def dense(tensors, scale: float) -> torch.Tensor:
    first, second = tensors.values()
    return scale * second.double().flatten(1) @ first.double().flatten(1)


def assert_same_spectrum(spec, tensors, expected: torch.Tensor) -> None:
    values = torch.linalg.svdvals(expected)
    core = torch.linalg.svdvals(spec.build(tensors.__getitem__))
    torch.testing.assert_close(core, values[..., : core.shape[-1]], rtol=1e-10, atol=1e-12)
    assert values[..., core.shape[-1] :].abs().max() <= 1e-10 * values.max()
    torch.testing.assert_close(spec.factors(tensors.__getitem__).dense(), expected)


@pytest.mark.parametrize("infix", ["", ".default"])
def test_the_product_has_alpha_over_r_and_is_never_formed(infix) -> None:
    tensors = factors(infix=infix)
    specs, skipped = plan(tensors, CONFIG)
    (spec,) = specs.values()
    assert not skipped
    assert (spec.name, spec.kind, spec.rows, spec.cols) == (f"{ROOT}self_attn.q_proj:lora", "lora", 24, 20)
    assert spec.factored
    assert spec.build(tensors.__getitem__).shape == (4, 4)
    assert "rank at most 4" in spec.note
    assert_same_spectrum(spec, tensors, dense(tensors, 16 / 4))


@pytest.mark.parametrize(
    ("config", "scale", "word"),
    [
        ({"r": 4, "lora_alpha": 8}, 2.0, None),
        ({"r": 4, "lora_alpha": 8, "use_rslora": True}, 4.0, None),
        ({"r": 8, "rank_pattern": {"q_proj": 4}, "lora_alpha": 8}, 2.0, None),
        ({"r": 4, "lora_alpha": 8, "alpha_pattern": {"k_proj": 1, "self_attn.q_proj": 20}}, 5.0, None),
        ({"r": 4, "lora_alpha": 8, "alpha_pattern": {"^model.layers.0.self_attn.q_proj": 20}}, 5.0, None),
        ({"r": 4, "lora_alpha": 8, "alpha_pattern": {r".*\.0\..*q_proj": 20}}, 5.0, None),
        ({"r": 4, "lora_alpha": 8, "alpha_pattern": {"proj": 20}}, 2.0, None),
        ({"r": 16, "lora_alpha": 8}, 2.0, "rank 16, the factors have 4"),
        ({}, 1.0, "alpha is not known"),
    ],
)
def test_the_scale_is_what_the_configuration_says(config, scale, word) -> None:
    tensors = factors()
    (spec,) = plan(tensors, config)[0].values()
    assert_same_spectrum(spec, tensors, dense(tensors, scale))
    assert (word or "rank at most") in spec.note


def test_two_adapters_of_one_layer_keep_their_names() -> None:
    tensors = factors(infix=".default") | factors(infix=".poet", seed=5)
    assert [n.rpartition(":")[2] for n in plan(tensors, CONFIG)[0]] == ["lora", "lora.poet"]


def test_an_embedding_is_seen_as_vocabulary_by_width() -> None:
    first, second = noise(4, 50), noise(12, 4, seed=1)
    tensors = {f"{ROOT}embed_tokens.lora_embedding_A": first, f"{ROOT}embed_tokens.lora_embedding_B": second}
    (spec,) = plan(tensors, CONFIG)[0].values()
    assert (spec.rows, spec.cols) == (50, 12)
    assert_same_spectrum(spec, tensors, 4 * (second @ first).T)


@pytest.mark.parametrize("conv", ["flatten", "spatial", "slices"])
def test_a_convolution_factors_flat_or_by_position(conv) -> None:
    first, second = noise(4, 5, 3, 3), noise(8, 4, 1, 1, seed=1)
    tensors = {f"{ROOT}conv.lora_A.weight": first, f"{ROOT}conv.lora_B.weight": second}
    (spec,) = plan(tensors, CONFIG, conv=conv)[0].values()
    kernel = 4 * torch.einsum("or,rikl->oikl", second[:, :, 0, 0], first)
    expected = kernel.flatten(2).permute(2, 0, 1) if conv == "slices" else kernel.flatten(1)
    assert (spec.matrices, spec.rows, spec.cols) == ((9, 8, 5) if conv == "slices" else (1, 8, 45))
    assert ("flatten only" in spec.note) == (conv == "spatial")
    assert_same_spectrum(spec, tensors, expected)


@pytest.mark.parametrize("planted", ["q", "k", "v"])
def test_the_update_of_a_fused_projection_is_cut_through_its_outputs(planted) -> None:
    first, second = noise(4, 96, seed=1), noise(3 * 96, 4, seed=2)
    rows = slice("qkv".index(planted) * 96, "qkv".index(planted) * 96 + 96)
    second[rows] += spike(96, 4, 500.0)
    tensors = {f"{ROOT}attn.qkv.lora_A.weight": first, f"{ROOT}attn.qkv.lora_B.weight": second}
    specs, _ = plan(tensors, CONFIG)
    whole = 4 * second @ first
    for i, x in enumerate("qkv"):
        spec = specs[f"{ROOT}attn.qkv:lora.{x}"]
        assert spec.kind == f"lora.{x}"
        assert_same_spectrum(spec, tensors, whole[96 * i : 96 * i + 96])
        assert (torch.linalg.matrix_norm(spec.build(tensors.__getitem__), 2) > 4000) == (x == planted)


@pytest.mark.parametrize("names", [("lora_down", "lora_up"), ("lora.down", "lora.up")])
@pytest.mark.parametrize("alpha", [None, 2.0])
def test_diffusion_tools_store_alpha_as_a_tensor(names, alpha) -> None:
    first, second = noise(4, 20), noise(24, 4, seed=1)
    tensors = {f"lora_unet_to_q.{names[0]}.weight": first, f"lora_unet_to_q.{names[1]}.weight": second}
    if alpha:
        tensors["lora_unet_to_q.alpha"] = torch.tensor(alpha)
    specs, skipped = plan(tensors)
    (spec,) = specs.values()
    assert_same_spectrum(spec, tensors, (alpha / 4 if alpha else 1.0) * second @ first)
    assert len(skipped) == (1 if alpha else 0)


def test_what_else_an_adapter_holds_is_named() -> None:
    q = factors()
    tensors = {
        **q,
        f"{ROOT}self_attn.q_proj.lora_magnitude_vector": noise(24),
        f"{ROOT}mlp.up_proj.lora_A.weight": noise(4, 20),
        "base_model.model.lm_head.weight": noise(30, 20),
        f"{ROOT}mlp.down_proj.lora_A.weight": noise(4, 20),
        f"{ROOT}mlp.down_proj.lora_B.weight": noise(24, 5),
        f"{ROOT}mlp.gate.lora_A": noise(4, 20),
        f"{ROOT}mlp.gate.lora_B": noise(24, 4),
        f"{ROOT}mlp.gate.lora_E": noise(4, 1),
        f"{ROOT}conv.lora_A.weight": noise(4, 6, 3, 3),
        f"{ROOT}conv.lora_B.weight": noise(8, 2, 1, 1),
    }
    specs, skipped = plan(tensors, CONFIG)
    assert list(specs) == [f"{ROOT}self_attn.q_proj:lora", "base_model.model.lm_head.weight"]
    assert "DoRA" in specs[f"{ROOT}self_attn.q_proj:lora"].note
    assert "DoRA" in skipped[f"{ROOT}self_attn.q_proj.lora_magnitude_vector"]
    assert "without the other" in skipped[f"{ROOT}mlp.up_proj.lora_A.weight"]
    assert "do not fit" in skipped[f"{ROOT}mlp.down_proj.lora_B.weight"]
    assert "AdaLoRA" in skipped[f"{ROOT}mlp.gate.lora_A"]
    assert "grouped" in skipped[f"{ROOT}conv.lora_B.weight"]


def test_adapters_on_stacks_of_experts_are_no_guess() -> None:
    tensors = factors("mlp.experts")
    specs, skipped = plan(tensors, {**CONFIG, "target_parameters": ["mlp.experts.gate_up_proj"]})
    assert not specs
    assert all("experts" in reason for reason in skipped.values())


def test_a_folder_as_peft_writes_it(tmp_path) -> None:
    tensors = {n: t.bfloat16() for n, t in factors().items()}
    save_file(tensors, tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_text(json.dumps(CONFIG))
    store = open_store(tmp_path)
    (spec,) = plan({n: store.read(n) for n in store.entries}, store.config)[0].values()
    assert spec.dtype == "bfloat16"
    assert_same_spectrum(spec, tensors, dense(tensors, 4.0))


def test_a_large_product_needs_no_more_than_its_factors() -> None:
    tensors = factors(out=200_000, into=100_000, rank=2)  # the product would take 160 GB
    (spec,) = plan(tensors, CONFIG)[0].values()
    assert (spec.rows, spec.cols) == (200_000, 100_000)
    assert spec.build(tensors.__getitem__).shape == (2, 2)
