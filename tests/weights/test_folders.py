"""Folders, indices and shards: which file is read, and what a bad one costs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from eigentrail.errors import SourceError
from eigentrail.weights import open_store

A, B = {"a.weight": torch.ones(4, 3)}, {"b.weight": torch.zeros(3, 4)}


def write_index(folder: Path, weight_map: object, name: str = "model.safetensors.index.json") -> Path:
    (folder / name).write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return folder / name


def sharded(folder: Path) -> Path:
    save_file(A, folder / "model-00001-of-00002.safetensors")
    save_file(B, folder / "model-00002-of-00002.safetensors")
    return write_index(
        folder,
        {"a.weight": "model-00001-of-00002.safetensors", "b.weight": "model-00002-of-00002.safetensors"},
    )


def test_folder_with_one_file(tmp_path):
    torch.save(A, tmp_path / "net.pth")
    torch.save({"lr": 0.1}, tmp_path / "training_args.bin")
    torch.save({"exp_avg": torch.ones(3)}, tmp_path / "optimizer.pt")
    (tmp_path / "readme.txt").write_text("hello")
    assert list(open_store(tmp_path).entries) == ["a.weight"]


def test_preference_in_the_hugging_face_layout(tmp_path):
    torch.save(B, tmp_path / "pytorch_model.bin")
    assert list(open_store(tmp_path).entries) == ["b.weight"]
    save_file(A, tmp_path / "model.safetensors")
    torch.save(B, tmp_path / "consolidated.pth")
    assert list(open_store(tmp_path).entries) == ["a.weight"]


def test_several_candidates_are_named(tmp_path):
    for number in range(7):
        torch.save(A, tmp_path / f"epoch_{number}.pt")
    with pytest.raises(SourceError, match=r"epoch_0\.pt.*and 2 more.*name the one"):
        open_store(tmp_path)


@pytest.mark.parametrize(
    ("files", "what"),
    [
        ([], "the folder is empty"),
        (["a.txt"], "holds no file of weights"),
        (["m.gguf"], "GGUF header is cut"),
    ],
)
def test_folder_without_weights(files, what, tmp_path):
    for name in files:
        (tmp_path / name).write_bytes(b"GGUF1234")
    with pytest.raises(SourceError, match=what):
        open_store(tmp_path)


def test_config_beside_the_weights(tmp_path):
    save_file(A, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text('{"num_attention_heads": 4}')
    assert open_store(tmp_path).config == {"num_attention_heads": 4}
    assert open_store(tmp_path / "model.safetensors").config == {"num_attention_heads": 4}


def test_adapters_have_their_own_config(tmp_path):
    save_file(A, tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_text('{"r": 8, "lora_alpha": 16}')
    (tmp_path / "config.json").write_text("{}")
    assert open_store(tmp_path).config == {"r": 8, "lora_alpha": 16}


@pytest.mark.parametrize("content", ["{", "[1]", "[" * 100_000, "\xff"])
def test_broken_config_is_reported_and_costs_nothing(content, tmp_path):
    save_file(A, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(content, encoding="latin-1")
    store = open_store(tmp_path)
    assert list(store.entries) == ["a.weight"]
    assert [left.name for left in store.skipped] == ["config.json"]


# ---------------------------------------------------------------------------------------------------------
# shards


def test_missing_shard_costs_its_own_tensors(tmp_path):
    index = sharded(tmp_path)
    (tmp_path / "model-00002-of-00002.safetensors").unlink()
    store = open_store(index)
    assert list(store.entries) == ["a.weight"]
    assert [(left.name, "model-00002-of-00002" in left.reason) for left in store.skipped] == [
        ("b.weight", True)
    ]


@pytest.mark.parametrize("content", [b"", b"abc", b"\xff" * 99])
def test_broken_shard_costs_its_own_tensors(content, tmp_path):
    index = sharded(tmp_path)
    (tmp_path / "model-00001-of-00002.safetensors").write_bytes(content)
    store = open_store(index)
    assert list(store.entries) == ["b.weight"]
    assert [left.name for left in store.skipped] == ["a.weight"]


def test_no_shard_at_all(tmp_path):
    index = sharded(tmp_path)
    for shard in tmp_path.glob("*.safetensors"):
        shard.unlink()
    with pytest.raises(SourceError, match="no such file"):
        open_store(index)


def test_missing_shard_without_index(tmp_path):
    sharded(tmp_path).unlink()
    (tmp_path / "model-00001-of-00002.safetensors").unlink()
    store = open_store(tmp_path)
    assert list(store.entries) == ["b.weight"]
    assert [left.name for left in store.skipped] == ["model-00001-of-00002.safetensors"]


def test_index_names_a_tensor_that_the_shard_lacks(tmp_path):
    sharded(tmp_path)
    index = write_index(
        tmp_path,
        {"a.weight": "model-00001-of-00002.safetensors", "c.weight": "model-00001-of-00002.safetensors"},
    )
    store = open_store(index)
    assert list(store.entries) == ["a.weight"]
    assert [(left.name, "does not hold it" in left.reason) for left in store.skipped] == [("c.weight", True)]


def test_tensor_that_the_index_does_not_name_is_seen(tmp_path):
    save_file(A | B, tmp_path / "one.safetensors")
    store = open_store(write_index(tmp_path, {"a.weight": "one.safetensors"}))
    assert list(store.entries) == ["a.weight"]
    assert [left.name for left in store.skipped] == ["b.weight"]


@pytest.mark.parametrize(
    "shard",
    ["../secret.safetensors", "/etc/passwd", "sub/../../secret.safetensors", "..\\secret.safetensors",
    "C:\\x.bin",
     "link.safetensors", "linked/secret.safetensors", "", "a\0b", "x" * 5000],
)  # fmt: skip
def test_index_that_points_out_of_its_folder(shard, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    save_file(A, tmp_path / "secret.safetensors")
    (folder / "link.safetensors").symlink_to(tmp_path / "secret.safetensors")
    (folder / "linked").symlink_to(tmp_path)
    save_file(B, folder / "fine.safetensors")
    index = write_index(folder, {"b.weight": "fine.safetensors", "a.weight": shard})
    with pytest.raises(SourceError, match="points out of its folder"):
        open_store(index)


def test_links_inside_the_hugging_face_cache_are_followed(tmp_path):
    snapshot = tmp_path / "models--x" / "snapshots" / "abc"
    blobs = tmp_path / "models--x" / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    save_file(A, blobs / "0123")
    (snapshot / "model-00001-of-00001.safetensors").symlink_to(Path("../../blobs/0123"))
    write_index(snapshot, {"a.weight": "model-00001-of-00001.safetensors"})
    assert list(open_store(snapshot).entries) == ["a.weight"]


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "{}", '{"weight_map": {}}', '{"weight_map": []}', '{"weight_map": {"a": 5}}', "[" *
    100_000, "\xff"],
)  # fmt: skip
def test_malformed_index(content, tmp_path):
    (tmp_path / "model.safetensors.index.json").write_text(content, encoding="latin-1")
    with pytest.raises(SourceError, match=r"index\.json"):
        open_store(tmp_path)


def test_prefixes_are_taken_off_over_all_shards(tmp_path):
    torch.save({"module." + name: value for name, value in A.items()}, tmp_path / "one.bin")
    torch.save({"module." + name: value for name, value in B.items()}, tmp_path / "two.bin")
    index = write_index(tmp_path, {"module.a.weight": "one.bin", "module.b.weight": "two.bin"})
    assert list(open_store(index).entries) == ["a.weight", "b.weight"]


# ----------------------------------------------------------------------------------------------------
# fingerprint


def test_fingerprint_is_of_the_content(tmp_path):
    index = sharded(tmp_path)
    before = open_store(index).fingerprint
    assert open_store(tmp_path).fingerprint == before
    moved = tmp_path.rename(tmp_path.with_name("moved"))
    assert open_store(moved).fingerprint == before
    save_file({"a.weight": 2 * A["a.weight"]}, moved / "model-00001-of-00002.safetensors")
    assert open_store(moved).fingerprint != before


def test_layers_come_in_the_networks_order(tmp_path: Path) -> None:
    names = [f"layers.{i}.weight" for i in (0, 1, 2, 9, 10, 11)]
    save_file({n: torch.randn(4, 3) for n in names}, tmp_path / "w.safetensors")
    assert list(open_store(tmp_path / "w.safetensors").entries) == names
