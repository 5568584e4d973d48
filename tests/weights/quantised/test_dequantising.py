"""A quantised checkpoint as plain numbers: what its configuration says decides them, and the rest of it stays."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import eigentrail as et
from eigentrail.cli.app import run
from eigentrail.weights import dequantised, open_weights

sys.path.insert(0, str(Path(__file__).parents[1]))
from packing import WRITERS, awq, gptq

HEADS = {"model_type": "gpt2", "n_head": 4, "num_attention_heads": 4}


def saved(folder: Path, stored, config) -> Path:
    save_file({name: tensor.contiguous() for name, tensor in stored.items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize("layout", WRITERS)
def test_all_layouts_become_the_numbers_that_are_looked_at(layout, tmp_path) -> None:
    stored, config, _ = WRITERS[layout]((0.02 * torch.randn(64, 128, generator=torch.manual_seed(0))).numpy())
    source = saved(tmp_path, stored, config)
    seen, plain = open_weights(source), dequantised(source)
    assert list(open_weights(plain).specs) == list(seen.specs)
    for name in seen.specs:
        assert torch.equal(open_weights(plain)[name], seen[name].float())


@pytest.mark.parametrize("bits", [4, 8])
def test_bits_and_groups_come_from_the_configuration_and_the_rest_of_it_stays(bits, tmp_path) -> None:
    stored, config, truth = gptq(torch.randn(64, 128, generator=torch.manual_seed(1)).numpy(), bits=bits)
    plain = dequantised(saved(tmp_path, stored, config | HEADS))
    torch.testing.assert_close(plain.read("fc.weight").double(), torch.as_tensor(truth), rtol=2e-6, atol=1e-9)
    assert plain.config == HEADS
    assert plain.source == str(tmp_path)


def test_heads_are_told_apart_and_tied_weights_stay_tied_where_codes_were(tmp_path) -> None:
    fused = torch.randn(96, 32, generator=torch.manual_seed(2))
    stored, config, _ = awq(torch.randn(64, 128, generator=torch.manual_seed(3)).numpy())
    stored["model.layers.0.self_attn.qkv_proj.weight"] = fused
    stored["model.embed_tokens.weight"] = torch.randn(50, 32)
    told = {
        "hidden_size": 32,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "head_dim": 8,
        "tie_word_embeddings": True,
    }
    source = saved(tmp_path, stored, config | told)
    kept = dequantised(source)
    seen = open_weights(source)
    assert set(open_weights(kept).specs) == set(seen.specs)
    assert any(":" in name for name in seen.specs)
    assert (
        kept.entries["model.embed_tokens.weight"].aliases
        == seen.store.entries["model.embed_tokens.weight"].aliases
        != ()
    )


def test_the_accuracy_of_a_quantised_network_is_told_before_and_after(tmp_path, capsys) -> None:
    torch.manual_seed(0)
    model = et.networks.build("mlp50", (1, 8, 8), 10)
    state = model.state_dict()
    name = next(name for name, value in state.items() if value.ndim == 2)
    scale = state[name].abs().amax(1, keepdim=True) / 400
    stored = state | {
        name: (state[name] / scale).to(torch.float8_e4m3fn),
        name.replace("weight", "weight_scale"): scale,
    }
    save_file(stored, tmp_path / "q.safetensors")
    out = tmp_path / "new.safetensors"
    call = ["edit", str(tmp_path / "q.safetensors"), "--truncate", "8", "--dequantise", "-o", str(out)]
    assert run([*call, "--model", "mlp50", "--data", "digits", "--whiten", "--format", "json"]) == 0
    summary = json.loads(capsys.readouterr().out)["summary"]
    model.load_state_dict(load_file(out))
    data = et.data.load("digits")
    with torch.no_grad():
        right = (model(data.test_inputs).argmax(1) == data.test_targets).double().mean()
    assert float(right) == pytest.approx(summary["accuracy_after"])
