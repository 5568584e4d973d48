"""Recurrent layers: one matrix per gate, told by the shapes or by the module."""

from __future__ import annotations

import pytest
import torch
from planning import assert_partition, noise, plan, spike
from torch import nn

from eigentrail.weights import open_store

CELLS = {"LSTM": (nn.LSTM, "ifgo"), "GRU": (nn.GRU, "rzn"), "RNN": (nn.RNN, "")}


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("bare", [True, False])
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}])
def test_gates_are_cut_apart(cell, bare, options) -> None:
    make, gates = CELLS[cell]
    layer = make(6, 5, **options)
    tensors = {f"rnn.{n}": t for n, t in layer.state_dict().items()}
    modules = None if bare else open_store(nn.ModuleDict({"rnn": layer})).modules
    specs, skipped = plan(tensors, None, modules)
    assert all(reason == "a vector, not a matrix" for reason in skipped.values())
    weights = [n for n in tensors if "weight" in n]
    assert list(specs) == [f"{n}:{g}" for n in weights for g in gates] if gates else list(specs) == weights
    for name in weights:
        assert_partition([s for s in specs.values() if s.tensors == (name,)], tensors, name)
        for index, gate in enumerate(gates):
            spec = specs[f"{name}:{gate}"]
            assert spec.kind == f"{cell.lower()}.{gate}"
            assert torch.equal(spec.build(tensors.__getitem__), tensors[name][5 * index : 5 * (index + 1)])


@pytest.mark.parametrize("bare", [True, False])
def test_a_projected_lstm_is_told_by_its_projection(bare) -> None:
    layer = nn.LSTM(6, 8, proj_size=3, bidirectional=True)
    tensors = layer.state_dict()
    specs, _ = plan(tensors, None, None if bare else open_store(layer).modules)
    assert specs["weight_hh_l0:f"].shape == (8, 3)
    assert specs["weight_hr_l0_reverse"].kind == "lstm.projection"
    assert torch.equal(
        specs["weight_ih_l0_reverse:o"].build(tensors.__getitem__), layer.weight_ih_l0_reverse[24:]
    )


def test_the_gates_give_the_cell_of_the_textbook() -> None:
    cell = nn.LSTMCell(6, 5, bias=False).double()
    tensors = cell.state_dict()
    gates = {n: s.build(tensors.__getitem__) for n, s in plan(tensors)[0].items()}
    x, h, c = noise(6), noise(5, seed=1), noise(5, seed=2)
    i, f, g, o = (gates[f"weight_ih:{k}"] @ x + gates[f"weight_hh:{k}"] @ h for k in "ifgo")
    new_c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    given_h, given_c = cell(x[None], (h[None], c[None]))
    torch.testing.assert_close(given_c[0].detach(), new_c)
    torch.testing.assert_close(given_h[0].detach(), o.sigmoid() * new_c.tanh())


@pytest.mark.parametrize("planted", list("ifgo"))
def test_a_spike_in_one_gate_is_found_in_that_gate_only(planted) -> None:
    parts = {g: noise(128, 64, seed=ord(g)) for g in "ifgo"}
    parts[planted] += spike(128, 64, 100.0)
    tensors = {"weight_ih_l0": torch.cat(list(parts.values())), "weight_hh_l0": noise(512, 128)}
    specs, _ = plan(tensors)
    for g in parts:
        largest = torch.linalg.matrix_norm(specs[f"weight_ih_l0:{g}"].build(tensors.__getitem__), 2)
        assert (largest > 95) == (g == planted)


def test_without_the_hidden_size_the_gates_stay_together() -> None:
    (spec,) = plan({"weight_ih_l0": noise(20, 6)})[0].values()
    assert spec.name == "weight_ih_l0"
    assert "not known" in spec.note
