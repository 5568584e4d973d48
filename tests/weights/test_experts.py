"""Stacks of experts: one matrix per expert, gate and up apart, inputs first or last."""

from __future__ import annotations

import pytest
import torch
from planning import assert_partition, noise, plan, spike

E, H, INNER = 3, 20, 12
STEM = "model.layers.0.mlp.experts."


def stacks(*, turned: bool) -> dict[str, torch.Tensor]:
    gate_up, down = noise(E, 2 * INNER, H), noise(E, H, INNER, seed=1)
    if turned:
        gate_up, down = gate_up.transpose(1, 2).contiguous(), down.transpose(1, 2).contiguous()
    return {f"{STEM}gate_up_proj": gate_up, f"{STEM}down_proj": down}


@pytest.mark.parametrize("turned", [False, True])
def test_the_two_halves_of_a_layer_tell_where_the_inputs_are(turned) -> None:
    tensors, expected = stacks(turned=turned), stacks(turned=False)
    specs, _ = plan(tensors)
    assert len(specs) == 3 * E
    for e in range(E):
        gate_up, down = (expected[STEM + n][e] for n in ("gate_up_proj", "down_proj"))
        seen = {n: specs[STEM + n].build(tensors.__getitem__) for n in
                (f"gate_up_proj:e{e}.gate", f"gate_up_proj:e{e}.up", f"down_proj:e{e}")}  # fmt: skip
        assert torch.equal(seen[f"gate_up_proj:e{e}.gate"], gate_up[:INNER])
        assert torch.equal(seen[f"gate_up_proj:e{e}.up"], gate_up[INNER:])
        assert torch.equal(seen[f"down_proj:e{e}"], down)
    assert specs[f"{STEM}gate_up_proj:e1.up"].kind == "expert.up"
    assert specs[f"{STEM}down_proj:e1"].kind == "expert.down"
    assert all(spec.note is None for spec in specs.values())
    for name in tensors:
        assert_partition(list(specs.values()), tensors, name)


@pytest.mark.parametrize("known_by", ["configuration", "biases"])
def test_gpt_oss_alternates_gate_and_up_row_by_row(known_by) -> None:
    tensors = stacks(turned=True)
    config = {"model_type": "gpt_oss"} if known_by == "configuration" else {}
    if not config:
        tensors[f"{STEM}gate_up_proj_bias"] = noise(E, 2 * INNER)
    specs, _ = plan(tensors, config)
    stored = tensors[f"{STEM}gate_up_proj"]
    assert torch.equal(specs[f"{STEM}gate_up_proj:e2.gate"].build(tensors.__getitem__), stored[2, :, ::2].T)
    assert torch.equal(specs[f"{STEM}gate_up_proj:e2.up"].build(tensors.__getitem__), stored[2, :, 1::2].T)


@pytest.mark.parametrize("planted", [("0", "gate"), ("2", "up")])
def test_a_spike_in_one_expert_is_found_there_only(planted) -> None:
    size = 64
    gate_up = noise(E, 2 * size, size)
    half = slice(0, size) if planted[1] == "gate" else slice(size, None)
    gate_up[int(planted[0]), half] += spike(size, size, 100.0)
    tensors = {f"{STEM}gate_up_proj": gate_up, f"{STEM}down_proj": noise(E, size, size)}
    specs, _ = plan(tensors)
    for name, spec in specs.items():
        largest = torch.linalg.matrix_norm(spec.build(tensors.__getitem__), 2)
        assert (largest > 95) == name.endswith(f"gate_up_proj:e{planted[0]}.{planted[1]}"), name


def test_granite_and_jetmoe_name_their_stacks_otherwise() -> None:
    tensors = {
        "moe.input_linear.weight": noise(E, 2 * INNER, H), "moe.output_linear.weight": noise(E, H, INNER),
        "att.experts.input_linear.weight": noise(E, INNER, H), "att.experts.output_linear.weight": noise(E, H, INNER),
    }  # fmt: skip
    specs, _ = plan(tensors)
    assert "moe.input_linear.weight:e0.gate" in specs
    assert "att.experts.input_linear.weight:e0" in specs


def test_stacks_without_gates_are_seen_whole() -> None:
    tensors = {f"{STEM}up_proj": noise(E, INNER, H), f"{STEM}down_proj": noise(E, H, INNER)}
    specs, _ = plan(tensors)
    assert specs[f"{STEM}up_proj:e0"].shape == (INNER, H)


def test_a_lone_stack_says_that_its_orientation_is_a_guess() -> None:
    specs, _ = plan({f"{STEM}gate_up_proj": noise(E, 10, 7)})
    assert "not known" in specs[f"{STEM}gate_up_proj:e0.gate"].note


def test_only_one_expert_is_read_where_the_store_can() -> None:
    tensors = stacks(turned=False)

    class Store:
        def __init__(self) -> None:
            self.asked: list[tuple[str, int, int]] = []

        def read(self, name):
            raise AssertionError("the whole stack was read")

        def read_rows(self, name, start, stop):
            self.asked.append((name, start, stop))
            return tensors[name][start:stop]

    store = Store()
    spec = plan(tensors)[0][f"{STEM}gate_up_proj:e1.up"]
    assert torch.equal(spec.build(store.read), tensors[f"{STEM}gate_up_proj"][1, INNER:])
    assert store.asked == [(f"{STEM}gate_up_proj", 1, 2)]
