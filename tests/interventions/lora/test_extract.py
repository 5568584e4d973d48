"""Planted updates come out at their rank, noise gives none, and PEFT loads what is written."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from eigentrail.errors import OptionError, SourceError
from eigentrail.interventions.lora import extract
from eigentrail.weights import open_weights


def planted(rows: int, cols: int, strengths: list[float], seed: int) -> tuple[dict, dict]:
    """A base and what tuning made of it: noise and directions of these strengths in units of its BBP threshold."""
    rng = np.random.default_rng(seed)
    long, short = max(rows, cols), min(rows, cols)
    base = rng.normal(size=(rows, cols))
    update = 0.01 * rng.normal(size=(rows, cols))
    if strengths:
        u = np.linalg.qr(rng.normal(size=(rows, len(strengths))))[0]
        v = np.linalg.qr(rng.normal(size=(cols, len(strengths))))[0]
        update += 0.01 * long**0.5 * (short / long) ** 0.25 * (u * np.array(strengths)) @ v.T
    pair = ({"fc.weight": torch.from_numpy(base)}, {"fc.weight": torch.from_numpy(base + update)})
    return pair


@pytest.mark.parametrize(("rows", "cols"), [(128, 96), (64, 160)])
def test_rank_of_planted_updates_is_right(rows, cols) -> None:
    """Above 1.5 times the threshold in at least 95%: more than 5 failures of 60 have probability .03 at exactly 95%."""
    right = 0
    for seed in range(60):
        base, tuned = planted(rows, cols, [4.0, 2.5, 2.0, 1.75], seed)
        right += list(extract(base, tuned).table["rank"]) == [4]
    assert right >= 55


def test_noise_has_no_rank() -> None:
    """In 99%: of 100 draws more than 4 have one with probability .003."""
    found = sum(bool(extract(*planted(96, 64, [], seed)).factors) for seed in range(100))
    assert found <= 4


def test_strengths_are_put_back() -> None:
    base, tuned = planted(400, 300, [4.0, 2.5], 0)
    b, a = extract(base, tuned).factors["fc"]
    values = torch.linalg.svdvals(b @ a)[:2].numpy() / (0.01 * 400**0.5 * 0.75**0.25)
    np.testing.assert_allclose(values, [4.0, 2.5], rtol=0.04)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_update_of_low_rank_comes_out_whole(dtype) -> None:
    torch.manual_seed(0)
    base = {"fc.weight": (0.02 * torch.randn(80, 60)).to(dtype)}
    low = 0.1 * torch.randn(80, 3) @ torch.randn(3, 60)
    found = extract(base, {"fc.weight": (base["fc.weight"].float() + low).to(dtype)})
    assert list(found.table["rank"]) == [3]
    b, a = found.factors["fc"]
    torch.testing.assert_close(b @ a, low, rtol=0.05, atol=0.01)


def test_written_adapter_has_the_predicted_errors(tmp_path) -> None:
    base, tuned = planted(90, 60, [5.0, 3.0], 1)
    found = extract(base, tuned, energy=0.6)
    found.save(tmp_path / "adapter")
    np.testing.assert_allclose(found.table["measured_error"], found.table["relative_error"], rtol=1e-5)
    assert open_weights(tmp_path / "adapter")["base_model.model.fc:lora"].shape == (90, 60)


def network(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    # One path is the end of another, which PEFT's patterns and targets do not tell apart by themselves.
    return nn.ModuleDict(
        {
            "fc": nn.Linear(24, 16),
            "block": nn.ModuleDict({"fc": nn.Linear(16, 16), "other": nn.Linear(16, 12)}),
            "conv": nn.Conv2d(3, 8, 3),
            "left": nn.ModuleDict({"conv": nn.Conv2d(8, 8, 3)}),
        }
    )


def test_peft_loads_the_adapter_and_gives_the_predicted_outputs(tmp_path) -> None:
    peft = pytest.importorskip("peft", reason="peft is an extra: pip install eigentrail[adapters]")
    base = network(0)
    tuned = copy.deepcopy(base)
    torch.manual_seed(1)
    with torch.no_grad():
        for part, rank in ((tuned["fc"], 2), (tuned["block"]["fc"], 4), (tuned["conv"], 3)):
            shape = part.weight.shape
            part.weight += (torch.randn(shape[0], rank) @ torch.randn(rank, shape[1:].numel())).reshape(shape)
    found = extract(base, tuned)
    assert dict(zip(found.table["module"], found.table["rank"], strict=True)) == {
        "fc": 2,
        "block.fc": 4,
        "conv": 3,
    }
    found.save(tmp_path / "adapter")
    loaded = peft.PeftModel.from_pretrained(base, tmp_path / "adapter")
    merged = loaded.merge_and_unload()
    for name, weight in tuned.named_parameters():
        torch.testing.assert_close(dict(merged.named_parameters())[name], weight, rtol=1e-4, atol=1e-4)


def test_peft_loads_it_onto_gpt2(tmp_path) -> None:
    peft = pytest.importorskip("peft", reason="peft is an extra: pip install eigentrail[adapters]")
    transformers = pytest.importorskip("transformers", reason="transformers is an extra")
    torch.manual_seed(0)
    config = transformers.GPT2Config(n_layer=1, n_head=2, n_embd=16, vocab_size=30, n_positions=8)
    base = transformers.GPT2LMHeadModel(config).eval()
    tuned = copy.deepcopy(base)
    with torch.no_grad():
        tuned.transformer.h[0].attn.c_attn.weight += 0.3 * torch.randn(16, 2) @ torch.randn(2, 48)
        tuned.transformer.h[0].mlp.c_proj.weight += 0.3 * torch.randn(64, 1) @ torch.randn(1, 16)
    found = extract(base, tuned)
    assert list(found.table["rank"]) == [2, 1]
    found.save(tmp_path / "adapter", task="CAUSAL_LM")
    assert json.loads((tmp_path / "adapter/adapter_config.json").read_text())["fan_in_fan_out"]
    tokens = torch.arange(6)[None]
    wanted = tuned(tokens).logits
    loaded = peft.PeftModel.from_pretrained(base, tmp_path / "adapter").eval()
    torch.testing.assert_close(loaded(tokens).logits, wanted, rtol=1e-3, atol=1e-4)


def test_models_that_do_not_match_are_refused(tmp_path) -> None:
    base, tuned = planted(20, 10, [], 0)
    with pytest.raises(SourceError, match=r"`fc.weight` is \[20, 10\] before and \[10, 20\] after"):
        extract(base, {"fc.weight": tuned["fc.weight"].T})
    with pytest.raises(SourceError, match="share no tensor"):
        extract(base, {"other.weight": tuned["fc.weight"]})
    with pytest.raises(OptionError, match="not both"):
        extract(base, tuned, rank=1, energy=0.5)
    with pytest.raises(OptionError, match="no layer changed"):
        extract(base, base).save(tmp_path / "adapter")


def test_changes_that_no_adapter_carries_are_told() -> None:
    base = network(0)
    tuned = copy.deepcopy(base)
    with torch.no_grad():
        tuned["fc"].bias += 1.0
        tuned["fc"].weight += torch.outer(torch.ones(16), torch.ones(24))
    found = extract(base, tuned)
    assert "fc.bias" in [left.name for left in found.skipped]
    assert "conv" in [left.name for left in found.skipped]


def test_provenance_is_in_the_file(tmp_path) -> None:
    base, tuned = planted(40, 30, [6.0], 0)
    extract(base, tuned).save(tmp_path / "a")
    assert set(load_file(tmp_path / "a/adapter_model.safetensors")) == {
        "base_model.model.fc.lora_A.weight",
        "base_model.model.fc.lora_B.weight",
    }
