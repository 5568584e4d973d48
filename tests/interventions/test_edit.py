"""Editing whole networks and checkpoints: as predicted, reversible, and nothing else touched."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

import eigentrail as et
from eigentrail.errors import OptionError, SourceError
from eigentrail.interventions import edit, input_covariances, intervention, known_interventions, load_factored
from eigentrail.weights import FactoredMatrix, open_weights


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 12, 3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(12 * 36, 20),
        nn.Tanh(),
        nn.Linear(20, 10),
    )


def test_edits_are_found_by_their_place() -> None:
    assert {"truncate", "denoise", "james_stein"} <= set(known_interventions())


def test_edits_of_other_packages_are_found(monkeypatch) -> None:
    @intervention(label="nothing", source="here")
    def keep(w):
        return et.interventions.truncate(w, energy=1.0)

    class Entry:
        name, value = "keep", "other:keep"

        def load(self):
            return keep

    monkeypatch.setattr("eigentrail.interventions.contract.entry_points", lambda group: [Entry()])
    known_interventions.cache_clear()
    try:
        assert edit({"fc.weight": torch.eye(4)}, "keep").matrices["fc.weight"].relative_error < 1e-12
    finally:
        known_interventions.cache_clear()


def test_plan_is_what_is_measured_in_the_file(network, tmp_path) -> None:
    save_file({name: t.bfloat16() for name, t in network.state_dict().items()}, tmp_path / "a.safetensors")
    plan = edit(tmp_path / "a.safetensors", "truncate", ["3.weight", "0"], k=4)
    assert list(plan.matrices) == ["0.weight", "3.weight"]
    assert plan.table["measured_error"].isna().all()
    plan.save(tmp_path / "b.safetensors")
    np.testing.assert_allclose(plan.table["measured_error"], plan.table["relative_error"], rtol=1e-3)
    assert (plan.table["rounding"] < 2**-8).all()
    before, after = load_file(tmp_path / "a.safetensors"), load_file(tmp_path / "b.safetensors")
    assert list(before) == list(after)
    for name in ("0.bias", "3.bias", "5.weight", "5.bias"):
        assert torch.equal(before[name], after[name])
    with safe_open(tmp_path / "b.safetensors", "pt") as file:
        note = json.loads(file.metadata()["eigentrail"])
    assert (note["edit"], note["options"], note["ranks"]["3.weight"]) == ("truncate", {"k": 4}, 4)
    assert "/" not in note["source"]


@pytest.mark.parametrize("conv", ["flatten", "spatial", "slices"])
def test_in_memory_edit_is_undone_bit_for_bit(network, conv) -> None:
    before = copy.deepcopy(network.state_dict())
    plan = edit(network, "truncate", conv=conv, k=2)
    with pytest.raises(ZeroDivisionError), plan.applied(network) as edited:
        seen = open_weights(edited, conv=conv)
        for name, made in plan.matrices.items():
            assert torch.linalg.matrix_rank(seen[name], rtol=1e-5).max() == 2
            assert made.relative_error > 0
        raise ZeroDivisionError
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_fused_weights_in_blocks_called_h_are_edited_in_place() -> None:
    torch.manual_seed(0)
    block = nn.ModuleDict({"attn": nn.ModuleDict({"qkv": nn.Linear(8, 24), "proj": nn.Linear(8, 8)})})
    network = nn.ModuleDict({"h": nn.ModuleList([block])})
    plan = edit(network, "truncate", "*:k", k=2)
    assert list(plan.matrices) == ["h.0.attn.qkv.weight:k"]
    before = block["attn"]["qkv"].weight.detach().clone()
    with plan.applied(network):
        after = block["attn"]["qkv"].weight.detach()
        assert torch.linalg.matrix_rank(after[8:16], rtol=1e-5) == 2
        assert torch.equal(after[:8], before[:8])
        assert torch.equal(after[16:], before[16:])
    assert torch.equal(block["attn"]["qkv"].weight, before)


def test_factored_output_is_two_layers_of_plain_torch(network, tmp_path) -> None:
    plan = edit(network, "truncate", k=3)
    plan.save(tmp_path / "f.safetensors", factored=True)
    x = torch.randn(2, 3, 6, 6)
    with plan.applied(network):
        wanted = network(x)
    small = load_factored(copy.deepcopy(network), tmp_path / "f.safetensors")
    torch.testing.assert_close(small(x), wanted, rtol=1e-4, atol=1e-5)
    by_hand = nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 3, 3, padding=1, bias=False), nn.Conv2d(3, 12, 1)), nn.ReLU(), nn.Flatten(),
        nn.Sequential(nn.Linear(432, 3, bias=False), nn.Linear(3, 20)), nn.Tanh(),
        nn.Sequential(nn.Linear(20, 3, bias=False), nn.Linear(3, 10)),
    )  # fmt: skip
    by_hand.load_state_dict(load_file(tmp_path / "f.safetensors"))
    assert sum(p.numel() for p in small.parameters()) < sum(p.numel() for p in network.parameters())
    with pytest.raises(SourceError, match="does not fit"):
        load_factored(nn.Sequential(nn.Linear(3, 3)), tmp_path / "f.safetensors")


def test_output_errors_of_real_layers_are_the_predicted_ones(network) -> None:
    """For each layer by itself: E|dW x|^2 over E|W x|^2, patches of the convolution included."""
    x = torch.randn(64, 3, 6, 6) * torch.linspace(0.2, 2, 6)
    moments = input_covariances(network, x)
    assert set(moments) == {"0.weight", "3.weight", "5.weight"}
    plan = edit(network, "truncate", "0", k=3, covariances=moments)
    with torch.no_grad():
        whole = network[0](x)
        with plan.applied(network):
            cut = network[0](x)
    bias = network[0].bias.detach()[:, None, None]
    measured = float((cut - whole).norm() / (whole - bias).norm())
    assert measured == pytest.approx(plan.matrices["0.weight"].output_error, rel=1e-4)
    plain = edit(network, "truncate", "0", k=3)
    with torch.no_grad(), plain.applied(network):
        assert measured < float((network[0](x) - whole).norm() / (whole - bias).norm())


def test_an_adapter_is_cut_in_its_factors(tmp_path) -> None:
    torch.manual_seed(0)
    tensors = {
        "base_model.model.q.lora_A.weight": torch.randn(4, 12),
        "base_model.model.q.lora_B.weight": torch.randn(9, 4),
    }
    save_file(tensors, tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 4, "lora_alpha": 8}))
    plan = edit(tmp_path, "truncate", k=2)
    plan.save(tmp_path.parent / "cut")
    after = open_weights(tmp_path.parent / "cut")["base_model.model.q:lora"]
    assert isinstance(after, FactoredMatrix)
    assert (after.singular_values() > 1e-5).sum() == 2
    assert plan.measured["base_model.model.q:lora"] == pytest.approx(
        plan.table["relative_error"][0], rel=1e-4
    )


def test_layers_that_cannot_be_edited_are_left_with_the_reason(network) -> None:
    plan = edit(network, "truncate", k=11)
    assert "5.weight" not in plan.matrices
    reason = next(left.reason for left in plan.skipped if left.name == "5.weight")
    assert "beyond the rank 10" in reason


def test_bad_calls(network, tmp_path) -> None:
    with pytest.raises(OptionError, match="no matrix could be edited: k=99"):
        edit(network, "truncate", "5", k=99)
    with pytest.raises(OptionError, match="takes no option j"):
        edit(network, "truncate", j=3)
    with pytest.raises(OptionError, match="truncate"):
        edit(network, "trunkate", k=3)
    with pytest.raises(OptionError, match="no use of the inputs"):
        edit(network, "denoise", covariances={"5.weight": torch.eye(20)})
    with pytest.raises(SourceError, match="no weight"), edit(network, k=2).applied(nn.Linear(3, 3)):
        pass
    save_file(
        {"q.weight": torch.ones(4, 4).to(torch.float8_e4m3fn), "q.weight_scale": torch.ones(())},
        tmp_path / "q.safetensors",
    )
    with pytest.raises(OptionError, match="dequantise"):
        edit(tmp_path / "q.safetensors", "truncate", "q", k=1)


def test_parts_of_a_fused_weight_are_cut_by_the_inputs_that_they_share() -> None:
    torch.manual_seed(0)
    block = nn.ModuleDict({"attn": nn.ModuleDict({"qkv": nn.Linear(8, 24), "proj": nn.Linear(8, 8)})})
    network = nn.ModuleDict({"h": nn.ModuleList([block])})
    inputs = torch.randn(200, 8) * torch.linspace(0.1, 3, 8)
    moments = {"h.0.attn.qkv.weight": (inputs.T @ inputs / 200).double()}
    plan = edit(network, "truncate", "*qkv*", k=2, covariances=moments)
    assert len(plan.matrices) == 3
    weight = block["attn"]["qkv"].weight.detach()
    with plan.applied(network):
        cut = block["attn"]["qkv"].weight.detach().clone()
    for number, made in enumerate(plan.matrices.values()):
        rows = slice(8 * number, 8 * number + 8)
        lost = inputs @ (cut - weight)[rows].T
        assert float(lost.norm() / (inputs @ weight[rows].T).norm()) == pytest.approx(
            made.output_error, rel=1e-4
        )


def test_an_option_of_an_edit_may_have_the_name_of_edit_s_own() -> None:
    chance = torch.Generator().manual_seed(0)
    spike = 60 * torch.outer(torch.randn(60, generator=chance), torch.randn(40, generator=chance)) / 49
    weights = {"w": torch.randn(60, 40, generator=chance) + spike}
    norms = []
    for options in ({}, {"how": "gavish-donoho"}):
        ((left, right),) = edit(weights, "denoise", **options).matrices["w"].pieces
        norms.append(float((left @ right).norm()))
    assert 0.5 < norms[1] / norms[0] < 1.0
