"""Every format gives back exactly the tensors that were written."""

from __future__ import annotations

import json
from pathlib import Path

import crafting
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from eigentrail.weights import TensorStore, open_store


def assert_holds(store: TensorStore, written: dict[str, torch.Tensor]) -> None:
    assert set(store.entries) == set(written)
    for name, tensor in written.items():
        entry = store.entries[name]
        assert entry.shape == tuple(tensor.shape)
        assert entry.dtype == str(tensor.dtype).removeprefix("torch.")
        assert entry.nbytes == tensor.numel() * tensor.element_size()
        read = store.read(name)
        assert read.dtype == tensor.dtype
        assert read.shape == tensor.shape
        assert (
            read.contiguous()
            .flatten()
            .view(torch.uint8)
            .equal(tensor.contiguous().flatten().view(torch.uint8))
        )


def write_safetensors(path: Path, named: dict[str, torch.Tensor]) -> Path:
    save_file(named, path / "any.safetensors")
    return path / "any.safetensors"


def write_torch(path: Path, named: dict[str, torch.Tensor]) -> Path:
    torch.save(named, path / "any.pt")
    return path / "any.pt"


def write_legacy(path: Path, named: dict[str, torch.Tensor]) -> Path:
    torch.save(named, path / "any.th", _use_new_zipfile_serialization=False)
    return path / "any.th"


def write_sharded(path: Path, named: dict[str, torch.Tensor]) -> Path:
    names = list(named)
    weight_map = {}
    for number, part in enumerate((names[::2], names[1::2]), start=1):
        shard = f"model-{number:05d}-of-00002.safetensors"
        save_file({name: named[name] for name in part}, path / shard)
        weight_map |= dict.fromkeys(part, shard)
    (path / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return path


def write_sharded_bin(path: Path, named: dict[str, torch.Tensor]) -> Path:
    names = list(named)
    weight_map = {}
    for number, part in enumerate((names[::2], names[1::2]), start=1):
        shard = f"pytorch_model-{number:05d}-of-00002.bin"
        torch.save({name: named[name] for name in part}, path / shard)
        weight_map |= dict.fromkeys(part, shard)
    index = path / "pytorch_model.bin.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return index


def write_shards_without_index(path: Path, named: dict[str, torch.Tensor]) -> Path:
    index = write_sharded(path, named) / "model.safetensors.index.json"
    index.unlink()
    return path


WRITERS = [
    write_safetensors, write_torch, write_legacy, write_sharded, write_sharded_bin, write_shards_without_index,
]  # fmt: skip


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__.removeprefix("write_"))
@pytest.mark.parametrize("seed", [0, 1])
def test_file_gives_back_what_was_written(write, seed, tmp_path):
    named = crafting.tensors(seed)
    if write is write_legacy:
        # The format is older than these precisions.
        named = {name: tensor for name, tensor in named.items() if "float8" not in str(tensor.dtype)}
    store = open_store(write(tmp_path, named))
    assert_holds(store, named)
    assert store.skipped == []


def test_state_dict_is_read_in_place():
    named = crafting.tensors()
    store = open_store(named)
    assert_holds(store, named)
    assert all(store.read(name).data_ptr() == tensor.data_ptr() for name, tensor in named.items())


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz(save, tmp_path):
    rng = np.random.default_rng(0)
    kinds = ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u1", "?", ">f4", ">f8"]
    arrays = {f"layer.{kind}": (5 * rng.normal(size=(4, 6))).astype(kind) for kind in kinds}
    arrays |= {
        "fortran": np.asfortranarray(rng.normal(size=(3, 5))),
        "number": np.array(2.5),
        "none": np.ones((0, 3)),
    }
    save(tmp_path / "a.npz", **arrays)
    store = open_store(tmp_path / "a.npz")
    assert set(store.entries) == set(arrays), store.skipped
    for name, array in arrays.items():
        assert np.array_equal(store.read(name).numpy(), array.astype(array.dtype.newbyteorder("=")))
        assert store.entries[name].shape == array.shape


def test_mapping_of_arrays():
    base = np.random.default_rng(0).normal(size=(6, 8))
    frozen = base.copy()
    frozen.flags.writeable = False
    arrays = {
        "a": base,
        "turned": base[::-1],
        "thin": base[:, ::2],
        "frozen": frozen,
        "single": base.astype("f4"),
    }
    store = open_store(arrays)
    for name, array in arrays.items():
        assert np.array_equal(store.read(name).numpy(), array)
    # The same memory seen in different ways is not tied.
    assert all(entry.aliases == () for entry in store.entries.values())


@pytest.mark.parametrize("legacy", [False, True])
def test_views_into_a_shared_storage(legacy, tmp_path):
    base = torch.randn(8, 10, generator=torch.Generator().manual_seed(3))
    named = {"base": base, "turned": base.T, "part": base[2:5, 1:9:2], "row": base[3]}
    torch.save(named, tmp_path / "views.pt", _use_new_zipfile_serialization=not legacy)
    store = open_store(tmp_path / "views.pt")
    assert set(store.entries) == set(named)
    for name, tensor in named.items():
        assert store.read(name).equal(tensor)


def test_numpy_arrays_and_settings_in_a_torch_file(tmp_path):
    import argparse

    arrays = {
        "w": np.arange(12.0).reshape(3, 4),
        "f": np.asfortranarray(np.arange(6, dtype="f4").reshape(2, 3)),
    }
    checkpoint = {
        "state_dict": {**arrays, "t": torch.ones(2, 2)},
        "best": np.float64(0.5),
        "args": argparse.Namespace(lr=0.1),
        "where": Path("x"),
    }
    torch.save(checkpoint, tmp_path / "a.ckpt")
    store = open_store(tmp_path / "a.ckpt")
    assert list(store.entries) == ["w", "f", "t"]
    for name, array in arrays.items():
        assert np.array_equal(store.read(name).numpy(), array)


def test_a_single_tensor_and_a_list(tmp_path):
    torch.save(torch.ones(2, 3), tmp_path / "one.pt")
    assert list(open_store(tmp_path / "one.pt").entries) == ["weight"]
    torch.save([torch.ones(2, 3), torch.zeros(3)], tmp_path / "list.pt")
    assert list(open_store(tmp_path / "list.pt").entries) == ["0", "1"]


def test_real_checkpoints(checkpoints):
    for name, count, first in (
        ("resnet-cifar10/resnet20-12fca82f.th", 97, "conv1.weight"),
        ("resnet-cifar10/resnet56-4bfd9763.th", 277, "conv1.weight"),
        ("grokking-mod-addition/low_precision_mod_addition.pth", 12, "embed.W_E"),
        ("grokking-mod-addition/wd_10-1_mod_addition_loss_curve.pth", 12, "embed.W_E"),
        ("mlp-trajectory/epoch_250.pt", 6, "linear1.weight"),
    ):
        path = checkpoints / name
        store = open_store(path)
        truth = torch.load(path, weights_only=True, map_location="cpu")
        truth = truth.get("state_dict", truth.get("model", truth))
        truth = {key.removeprefix("module."): value for key, value in truth.items()}
        assert_holds(store, truth)
        assert (len(store.entries), next(iter(store.entries))) == (count, first)
