"""`open_weights`: matrices by name, chosen by globs, read one at a time."""

from __future__ import annotations

import pickle

import crafting
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from eigentrail.errors import OptionError, SourceError
from eigentrail.weights import Skipped, open_weights


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.norm = nn.BatchNorm2d(8)
        self.attn = nn.MultiheadAttention(12, 3)
        self.fc1 = nn.Linear(30, 20)
        self.fc2 = nn.Linear(20, 10)


@pytest.fixture
def path(tmp_path):
    torch.manual_seed(0)
    save_file(Net().state_dict(), tmp_path / "net.safetensors")
    return tmp_path / "net.safetensors"


def test_mapping(path):
    weights = open_weights(path)
    assert list(weights) == list(weights.keys())
    assert len(weights) == len(list(weights.items()))
    assert "fc1.weight" in weights
    assert "fc1" not in weights
    assert weights["fc1.weight"].shape == (20, 30)
    assert weights.source == str(path)
    assert weights.conv == "flatten"
    with pytest.raises(KeyError):
        weights["fc1"]


def test_no_weight_goes_unseen(path):
    """Every tensor is in a matrix or is skipped with a reason."""
    weights = open_weights(path)
    seen = {name for spec in weights.specs.values() for name in spec.tensors} | {
        left.name for left in weights.skipped
    }
    assert seen == set(weights.store.entries)
    assert all(left.reason for left in weights.skipped)


def test_matrices_are_the_stored_numbers(path):
    state = dict(open_weights(path).items())
    assert state["fc1.weight"].equal(open_weights(path).tensor("fc1.weight"))
    conv = open_weights(path).tensor("conv.weight")
    assert conv.shape == (8, 3, 3, 3)
    assert state["conv.weight"].equal(conv.reshape(8, 27))


def test_conv(path):
    assert open_weights(path, conv="slices")["conv.weight"].shape == (9, 8, 3)
    assert open_weights(path, conv="spatial")["conv.weight"].shape == (9, 24)
    with pytest.raises(OptionError):
        open_weights(path, conv="round")


@pytest.mark.parametrize("kind", [kind for kind in crafting.FLOATS if kind.itemsize > 1])
def test_half_precision_is_upcast(kind, tmp_path):
    stored = torch.randn(8, 6).to(kind)
    save_file({"w.weight": stored}, tmp_path / "a.safetensors")
    weights = open_weights(tmp_path / "a.safetensors")
    wide = torch.float64 if kind == torch.float64 else torch.float32
    assert weights["w.weight"].equal(stored.to(wide))
    assert weights.tensor("w.weight").dtype == kind
    assert weights.specs["w.weight"].dtype == str(kind).removeprefix("torch.")


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16, torch.float64, torch.int8])
def test_half_precision_can_be_read_as_stored(kind, tmp_path):
    stored = torch.randn(3, 12, 4, 2).mul(9).to(kind)
    save_file(
        {"conv.weight": stored, "attn.in_proj_weight": stored[:, :, 0, 0].clone()}, tmp_path / "a.safetensors"
    )
    weights = open_weights(tmp_path / "a.safetensors", conv="slices")
    for name in weights:
        found = weights.as_stored(name)
        assert found.dtype == (kind if kind.itemsize == 2 else weights[name].dtype)
        assert found.to(weights[name].dtype).equal(weights[name])


@pytest.mark.parametrize(
    ("layers", "found"),
    [
        ("fc1.weight", ["fc1.weight"]),
        ("fc1", ["fc1.weight"]),
        (["fc1", "fc2"], ["fc1.weight", "fc2.weight"]),
        ("fc?.weight", ["fc1.weight", "fc2.weight"]),
        ("fc*", ["fc1.weight", "fc2.weight"]),
        (["fc2", "*conv*"], ["conv.weight", "fc2.weight"]),
        ("attn", [f"attn.in_proj_weight:{part}" for part in "qkv"]),
        ("attn.in_proj_weight", [f"attn.in_proj_weight:{part}" for part in "qkv"]),
        ("attn.in_proj_weight:q", ["attn.in_proj_weight:q"]),
        ("*:v", ["attn.in_proj_weight:v"]),
        ("attn.out_proj", ["attn.out_proj.weight"]),
        ([], None),
        (None, None),
    ],
)
def test_layers(layers, found, path):
    everything = list(open_weights(path))
    assert list(open_weights(path, layers=layers)) == (everything if found is None else found)


def test_layers_choose_what_is_skipped_too(path):
    assert {left.name for left in open_weights(path, layers="fc*").skipped} == {"fc1.bias", "fc2.bias"}


@pytest.mark.parametrize(
    ("glob", "what"),
    [
        ("fc3.weight", r"perhaps you mean `fc[12]\.weight`"),
        ("FC1", "perhaps you mean|such as"),
        ("zzz", "there are .* names, such as"),
        ("fc1.bias", "is skipped"),
        ("norm", "no weight matches"),
    ],
)
def test_glob_without_a_match(glob, what, path):
    with pytest.raises(SourceError, match=what) as caught:
        open_weights(path, layers=["fc1", glob])
    assert str(path) in str(caught.value)
    assert f"`{glob}`" in str(caught.value)


def test_no_such_tensor(path):
    with pytest.raises(SourceError, match="perhaps you mean"):
        open_weights(path).tensor("fc1.wieght")


def test_weights_travel_to_other_processes(path):
    for source in (path, Net()):
        weights = open_weights(source)
        copy = pickle.loads(pickle.dumps(weights))
        assert list(copy) == list(weights)
        assert all(copy[name].equal(weights[name]) for name in weights)
        assert copy.fingerprint == weights.fingerprint
    # What travels of a file is where things lie, not the numbers.
    assert len(pickle.dumps(open_weights(path))) < 20_000


@pytest.mark.parametrize("strided", [False, True])
def test_rows_of_a_stack(strided, tmp_path):
    stack = torch.randn(5, 4, 3)
    stored = stack.transpose(1, 2) if strided else stack
    torch.save({"experts": stored}, tmp_path / "a.pt")
    weights = open_weights(tmp_path / "a.pt")
    assert weights.read_rows("experts", 1, 3).equal(stored[1:3])
    assert weights.read_rows("experts", 4, 9).equal(stored[4:9])
    assert weights.read_rows("experts", 3, 3).shape[0] == 0
    assert open_weights({"experts": stored.double()}).read_rows("experts", 1, 3).equal(stored[1:3].double())


def test_packed_weights_that_do_not_fit_are_skipped(tmp_path):
    packed = {
        "q.qweight": torch.ones(4, 8, dtype=torch.int32),
        "q.scales": torch.ones(2, 8).half(),
        "q.qzeros": torch.ones(2, 1, dtype=torch.int32),
        "q.g_idx": torch.ones(5, dtype=torch.int32),
        "fc.weight": torch.randn(9, 8),
    }
    save_file(packed, tmp_path / "a.safetensors")
    weights = open_weights(tmp_path / "a.safetensors")
    assert list(weights) == ["fc.weight"]
    assert {left.name for left in weights.skipped} == set(packed) - {"fc.weight"}
    assert all(isinstance(left, Skipped) and left.reason for left in weights.skipped)
