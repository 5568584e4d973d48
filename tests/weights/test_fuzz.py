"""What fuzzing the readers found, and a short run of the fuzzer itself."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import crafting
import pytest
import torch
from crafting import f32, npz, safetensors_bytes
from safetensors.torch import save_file

from eigentrail.errors import SourceError
from eigentrail.weights import open_store, open_weights

TOOL = Path(__file__).parents[2] / "tools" / "fuzz_readers.py"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_short_run_has_no_finding():
    spec = importlib.util.spec_from_file_location("fuzz_readers", TOOL)
    assert spec is not None
    assert spec.loader is not None
    fuzz_readers = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fuzz_readers)
    outcomes = [fuzz_readers.run_case(20261121, number) for number in range(300)]
    assert {kind for kind, _ in outcomes} == set(fuzz_readers.FORMATS)
    assert {how for _, how in outcomes} == {"read", "some read", "refused"}


@pytest.mark.parametrize(
    "header",
    [b"{'descr': '<f8', 'shape': (3", b"{'descr': 'L3L\x00'}", b"((((", b"'", b"\x7f", b"L\n  L\n L"],
)
def test_numpy_header_that_is_no_python(header, tmp_path):
    """numpy's own parser leaves with tokenize.TokenError and SyntaxError."""
    head = header + b" " * 40 + b"\n"
    bad = b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head
    npz(tmp_path / "a.npz", {"bad.npy": bad, "good.npy": crafting.npy_bytes("<f8", (2,), bytes(16))})
    store = open_store(tmp_path / "a.npz")
    assert list(store.entries) == ["good"]
    assert ["damaged" in left.reason for left in store.skipped] == [True]


def test_index_with_half_a_surrogate_pair_for_a_file(tmp_path):
    save_file({"a": torch.ones(2, 2)}, tmp_path / "one.safetensors")
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "one.safetensors", "b": "\ud800"}}))
    with pytest.raises(SourceError, match="points out of its folder"):
        open_store(index)


@pytest.mark.parametrize(
    "header",
    [
        {"w\ud800": f32([2, 3], 0, 24)},
        {"w": f32([2, 3], 0, 24) | {"note": "\ud800"}},
        {"w": f32([2, 3], 0, 24) | {"\udfff": 1}},
        {"__metadata__": {"a": "\ud800"}, "w": f32([2, 3], 0, 24)},
    ],
)
def test_safetensors_header_with_half_a_surrogate_pair(header, tmp_path):
    (tmp_path / "a.safetensors").write_bytes(safetensors_bytes(header, bytes(24)))
    with pytest.raises(SourceError, match="not valid JSON"):
        open_store(tmp_path / "a.safetensors")


def test_names_can_be_printed_and_stored(tmp_path):
    """A pickle's names may hold half a surrogate pair; an index's too."""
    torch.save({"w\ud800": torch.ones(2, 3), "x": torch.ones(2, 2)}, tmp_path / "a.pt")
    index = tmp_path / "model.bin.index.json"
    index.write_text(json.dumps({"weight_map": {"y\udfff": "a.pt", "x": "a.pt"}}))
    for source in (tmp_path / "a.pt", index):
        weights = open_weights(source)
        for name in [
            *weights,
            *(left.name for left in weights.skipped),
            *(left.reason for left in weights.skipped),
        ]:
            assert name.encode("utf-8")
    assert "w\\ud800" in open_weights(tmp_path / "a.pt")
