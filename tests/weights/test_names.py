"""Names are a stranger's text, and there may be very many of them."""

from __future__ import annotations

import sys

import torch
from safetensors.torch import save_file

from eigentrail.errors import SourceError
from eigentrail.weights import open_store, open_weights
from eigentrail.weights.name_index import NameIndex

HOSTILE = "fc\x1b[2J\n\u202egood.weight"


def test_escape_sequences_in_names_are_made_visible(tmp_path):
    save_file({HOSTILE: torch.eye(4, 3)}, tmp_path / "m.safetensors")
    for source in (tmp_path / "m.safetensors", {HOSTILE: torch.eye(4, 3)}):
        weights = open_weights(source)
        assert list(weights) == ["fc\\u001b[2J\\u000a\\u202egood.weight"]
        assert torch.equal(weights[next(iter(weights))], torch.eye(4, 3))


def test_names_that_meet_when_made_visible_are_told():
    store = open_store({"a\x1b.weight": torch.eye(3), "a\\u001b.weight": torch.ones(2, 2)})
    assert list(store.entries) == ["a\\u001b.weight"]
    assert [left.name for left in store.skipped] == ["a\\u001b.weight"]


def test_an_error_never_carries_control_characters():
    assert str(SourceError("no layer \x1b[31mred\nsecond line")) == "no layer \\u001b[31mred\nsecond line"


def test_names_are_found_by_their_ends():
    index = NameIndex(["model.encoder.fc.weight", "fc.weight", "model.decoder.fc.weight"])
    assert index.related("encoder.fc.weight") == ["fc.weight", "model.encoder.fc.weight"]
    assert index.related("decoder.wrapped.fc.weight") == ["fc.weight"]
    assert index.related("c.weight") == []


def test_no_tensor_costs_a_look_at_all_others():
    """Counted, not timed: the steps of Python that opening takes grow with the number of tensors, not its square."""

    def steps(count: int) -> int:
        tensors = {}
        for i in range(count):
            tensors[f"m.{i}.lora_A.weight"], tensors[f"m.{i}.lora_B.weight"] = (
                torch.zeros(2, 4),
                torch.zeros(3, 2),
            )
            tensors[f"c.{i}.weight"] = torch.zeros(3, 5, 2, 2)
        base = {f"model.m.{i}.weight": torch.zeros(3, 4) for i in range(count)}
        found = 0

        def count_lines(frame, event, _):
            nonlocal found
            found += event == "line"
            return count_lines

        sys.settrace(count_lines)
        try:
            open_weights(tensors)
            open_weights({k: v for k, v in tensors.items() if "lora" in k}, base=base)
        finally:
            sys.settrace(None)
        return found

    assert steps(120) < 2.5 * steps(60)
