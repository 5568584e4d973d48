"""Broken, hostile and wrong files: one clear sentence each, and no code run."""

from __future__ import annotations

import os
import pickle
import struct
import zipfile
from pathlib import Path

import crafting
import numpy as np
import pytest
import torch
from crafting import f32, npy_bytes, npz, protocol2, safetensors_bytes, torch_zip
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from eigentrail.errors import SourceError
from eigentrail.weights import open_store

GOOD = {"a": f32([2, 2], 0, 16), "b": f32([2], 16, 24)}
DATA = bytes(24)


def refusal(source: object) -> str:
    """The sentence that opening (or reading) a source ends with."""
    with pytest.raises(SourceError) as caught:
        store = open_store(source)
        for name in store.entries:
            store.read(name)
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 900
    assert text.endswith((".", "?"))
    if isinstance(source, Path):
        assert str(source) in text
    return text


# ------------------------------------------------------------------------------------------------ paths and kinds


def test_missing(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert "no such file" in refusal(tmp_path / "nothing.pt")
    assert "perhaps you mean" in refusal(tmp_path / "modle.safetensors")
    assert "no such file" in refusal("organisation/name-of-a-model")


def test_path_that_cannot_be():
    refusal("\0")
    refusal("x" * 5000)


def test_empty_file(tmp_path):
    for name in ("a.safetensors", "a.pt", "a.npz", "a.index.json"):
        (tmp_path / name).write_bytes(b"")
        assert "empty" in refusal(tmp_path / name)


def test_broken_link_and_pipe(tmp_path):
    (tmp_path / "a.pt").symlink_to(tmp_path / "gone.pt")
    assert "gone.pt" in refusal(tmp_path / "a.pt")
    os.mkfifo(tmp_path / "b.pt")
    assert "no regular file" in refusal(tmp_path / "b.pt")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file(tmp_path):
    (tmp_path / "a.pt").write_bytes(b"x" * 100)
    (tmp_path / "a.pt").chmod(0)
    assert "cannot read" in refusal(tmp_path / "a.pt")


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("cat.jpg", b"\xff\xd8\xff\xe0" + bytes(100), "JPEG"),
        ("cat.pt", b"\xff\xd8\xff\xe0" + bytes(100), "JPEG"),
        ("a.pt", b"just some text, long enough to be read\n" * 9, "promises"),
        ("a.txt", b"just some text\n", "no file of weights"),
        ("a.gguf", b"GGUF\x03\x00\x00\x00" + bytes(90), "no tensor in it"),
        ("a.bin", b"GGUF\x09\x00\x00\x00" + bytes(90), "GGUF header is cut"),
        ("a.h5", b"\x89HDF\r\n\x1a\n" + bytes(90), "HDF5 file is damaged"),
        ("a.npy", b"\x93NUMPY\x01\x00" + bytes(90), "numpy.savez"),
        ("a.pt.gz", b"\x1f\x8b\x08" + bytes(90), "gunzip"),
        ("a.bin", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        ("a.pkl", pickle.dumps({"a": 1}), "plain pickle"),
        ("a.pt", pickle.dumps({"a": np.ones(3)}), "plain pickle"),
        ("a.pt", b"PK\x03\x04" + bytes(50), "archive"),
        ("a.safetensors", b"abc", "only 3 bytes"),
        ("a.safetensors", b"\0" * 100, "does not begin with"),
    ],
)
def test_wrong_kind(name, content, what, tmp_path):
    import re

    (tmp_path / name).write_bytes(content)
    assert re.search(what, refusal(tmp_path / name))


def test_zip_of_something_else(tmp_path):
    npz(tmp_path / "a.zip", {"readme.txt": b"hello"})
    assert "neither a torch checkpoint nor numpy arrays" in refusal(tmp_path / "a.zip")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchscript_is_read_by_its_names(tmp_path):
    layer = torch.nn.Linear(3, 2)
    torch.jit.script(layer).save(str(tmp_path / "a.pt"))
    assert open_store(tmp_path / "a.pt").read("weight").equal(layer.weight)


# ---------------------------------------------------------------------------------------------------- safetensors

FIELDS = b'{"dtype":"F32","shape":[6],"data_offsets":[0,24]}'
HOSTILE = {
    "length beyond the file": safetensors_bytes(GOOD, DATA, length=10**6),
    "length beyond everything": safetensors_bytes(GOOD, DATA, length=2**64 - 1),
    "length zero": safetensors_bytes(GOOD, DATA, length=0),
    "negative offset": safetensors_bytes({"a": f32([2, 2], -16, 0)}, DATA),
    "reversed offsets": safetensors_bytes({"a": f32([2, 2], 16, 0)}, DATA),
    "overlap": safetensors_bytes({"a": f32([4], 0, 16), "b": f32([4], 8, 24)}, DATA),
    "the same bytes twice": safetensors_bytes({"a": f32([6], 0, 24), "b": f32([6], 0, 24)}, DATA),
    "hole": safetensors_bytes({"a": f32([2], 0, 8), "b": f32([2], 16, 24)}, DATA),
    "bytes before the first": safetensors_bytes({"a": f32([4], 8, 24)}, DATA),
    "bytes after the last": safetensors_bytes({"a": f32([4], 0, 16)}, DATA),
    "offsets do not match the shape": safetensors_bytes({"a": f32([2, 2], 0, 24)}, DATA),
    "huge shape": safetensors_bytes({"a": f32([10**9, 10**9], 0, 24)}, DATA),
    "shape that overflows to the size": safetensors_bytes({"a": f32([2**32, 2**32, 6], 0, 24)}, DATA),
    "negative shape": safetensors_bytes({"a": f32([-2, -3], 0, 24)}, DATA),
    "fractional shape": safetensors_bytes({"a": f32([2.5, 2], 0, 24)}, DATA),
    "true for a shape": safetensors_bytes({"a": f32([True, 6], 0, 24)}, DATA),
    "shape of 1000 dimensions": safetensors_bytes({"a": f32([1] * 1000, 0, 4)}, bytes(4)),
    "offset of many digits": safetensors_bytes(b'{"a":' + FIELDS.replace(b"24", b"9" * 6000) + b"}", DATA),
    "beyond the data": safetensors_bytes({"a": f32([10], 0, 40)}, DATA),
    "duplicate names": safetensors_bytes(b'{"a":' + FIELDS + b',"a":' + FIELDS + b"}", DATA),
    "not UTF-8": safetensors_bytes(b'{"\xff\xfe":{"dtype":"F32","shape":[6],"data_offsets":[0,24]}}', DATA),
    "deep nesting": safetensors_bytes(b'{"a":' + b"[" * 200_000, DATA),
    "no JSON": safetensors_bytes(b"{not json}", DATA),
    "a JSON list": safetensors_bytes([1, 2], DATA),
    "a number for a tensor": safetensors_bytes({"a": 5}, DATA),
    "no dtype": safetensors_bytes({"a": {"shape": [6], "data_offsets": [0, 24]}}, DATA),
    "no offsets": safetensors_bytes({"a": {"dtype": "F32", "shape": [6]}}, DATA),
    "metadata of lists": safetensors_bytes({"__metadata__": {"a": []}, "a": f32([6], 0, 24)}, DATA),
    "no tensors": safetensors_bytes({}, b""),
    "no tensors but data": safetensors_bytes({}, DATA),
    "cut": safetensors_bytes(GOOD, DATA)[:-1],
    "cut in the header": safetensors_bytes(GOOD, DATA)[:40],
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_safetensors(case, tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(HOSTILE[case])
    refusal(path)


@pytest.mark.parametrize("case", sorted(HOSTILE.keys() - {"no tensors"}))
def test_the_formats_own_library_refuses_the_same(case, tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(HOSTILE[case])
    if case in {
        "duplicate names",
        "true for a shape",
        "metadata of lists",
        "bytes after the last",
        "shape of 1000 dimensions",
    }:
        # It is laxer about these, depending on its version.
        return
    with pytest.raises(SafetensorError), safe_open(path, "pt") as file:
        file.keys()


def test_header_longer_than_the_format_allows(tmp_path):
    path = tmp_path / "a.safetensors"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", 200_000_000) + b"{")
        file.truncate(300_000_000)  # sparse: takes no space
    assert "longer than the format allows" in refusal(path)


def test_unknown_precision_costs_one_tensor(tmp_path):
    header = {"a": f32([2], 0, 8), "b": {"dtype": "F4", "shape": [4, 4], "data_offsets": [8, 16]},
              "c": {"dtype": "Q9_K", "shape": [8], "data_offsets": [16, 24]}}  # fmt: skip
    (tmp_path / "a.safetensors").write_bytes(safetensors_bytes(header, DATA))
    store = open_store(tmp_path / "a.safetensors")
    assert list(store.entries) == ["a"]
    assert {left.name: "F4" in left.reason or "Q9_K" in left.reason for left in store.skipped} == {
        "b": True,
        "c": True,
    }


def test_file_that_shrinks_while_it_is_read(tmp_path):
    path = tmp_path / "a.safetensors"
    save_file({"a": torch.ones(10, 10)}, path)
    store = open_store(path)
    os.truncate(path, path.stat().st_size - 4)
    with pytest.raises(SourceError, match="cut or changed"):
        store.read("a")
    path.unlink()
    with pytest.raises(SourceError, match="cannot read"):
        store.read("a")


# ---------------------------------------------------------------------------------------------------- torch files


@pytest.mark.parametrize("legacy", [False, True])
def test_pickle_with_code_is_never_run(legacy, tmp_path):
    trace = tmp_path / "trace"
    torch.save(
        {"w": torch.ones(2, 2), "x": crafting.Harm(trace)},
        tmp_path / "a.pt",
        _use_new_zipfile_serialization=not legacy,
    )
    store = open_store(tmp_path / "a.pt")
    assert store.read("w").equal(torch.ones(2, 2))
    assert ["io.open" in left.reason for left in store.skipped] == [True]
    assert not trace.exists()


@pytest.mark.parametrize("suffix", ["pt", "pkl", "bin", "npz", "safetensors"])
def test_plain_pickle_with_code_is_never_run(suffix, tmp_path):
    trace = tmp_path / "trace"
    for protocol in range(2, 6):
        (tmp_path / f"a.{suffix}").write_bytes(pickle.dumps(crafting.Harm(trace), protocol=protocol))
        refusal(tmp_path / f"a.{suffix}")
    assert not trace.exists()


def test_whole_module_is_read_by_its_names(tmp_path):
    net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    torch.save(net, tmp_path / "a.pt")
    store = open_store(tmp_path / "a.pt")
    assert set(store.entries) == set(net.state_dict())
    assert store.read("0.weight").equal(net[0].weight)
    assert "Sequential" in store.skipped[-1].reason


@pytest.mark.parametrize("value", [5, "text", {"epoch": 3}, {}, []])
def test_torch_file_without_tensors(value, tmp_path):
    torch.save(value, tmp_path / "a.pt")
    refusal(tmp_path / "a.pt")


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("share", [0.0005, 0.02, 0.3, 0.6, 0.95, 0.9999])
def test_truncated_torch_file(legacy, share, tmp_path):
    path = tmp_path / "a.pt"
    torch.save(
        {"w": torch.randn(50, 50), "b": torch.randn(50)}, path, _use_new_zipfile_serialization=not legacy
    )
    os.truncate(path, max(1, int(share * path.stat().st_size)))
    refusal(path)


def storage(key: str, count: int, kind: object = torch.FloatStorage) -> tuple[object, ...]:
    return ("storage", kind, key, "cpu", count)


class Rebuilt:
    """Pickles as torch pickles a tensor, with any declared size."""

    def __init__(self, *args: object) -> None:
        self.args = args

    def __reduce__(self) -> tuple[object, ...]:
        """Say what torch calls."""
        return (torch._utils._rebuild_tensor_v2, self.args)


class StoragePickler(pickle.Pickler):
    """Writes a tuple that begins with "storage" as torch writes a storage."""

    def persistent_id(self, obj: object) -> object:
        """Tell storages from other objects."""
        return obj if isinstance(obj, tuple) and obj[:1] == ("storage",) else None


def pickled_tensors(named: dict[str, tuple[object, ...]]) -> bytes:
    import io
    from collections import OrderedDict

    buffer = io.BytesIO()
    hooks: OrderedDict[str, object] = OrderedDict()
    StoragePickler(buffer, protocol=2).dump(
        {name: Rebuilt(*args, False, hooks) for name, args in named.items()}
    )
    return buffer.getvalue()


FINE = (storage("0", 6), 0, (2, 3), (3, 1))
LIES = {
    "storage that is not there": (storage("9", 6), 0, (2, 3), (3, 1)),
    "storage that leads out": (storage("../data.pkl", 6), 0, (2, 3), (3, 1)),
    "more numbers than stored": (storage("1", 6000), 0, (2000, 3), (3, 1)),
    "absurdly many numbers": (storage("1", 2**60), 0, (2**30, 2**30), (2**30, 1)),
    "repeated numbers": (storage("1", 6), 0, (10**6, 10**6), (0, 0)),
    "offset beyond the storage": (storage("1", 6), 4, (2, 3), (3, 1)),
    "strides beyond the storage": (storage("1", 6), 0, (2, 3), (300, 1)),
}


@pytest.mark.parametrize("case", LIES)
def test_lying_torch_file(case, tmp_path):
    path = torch_zip(
        tmp_path / "a.pt",
        pickled_tensors({"fine": FINE, "lie": LIES[case]}),
        {"0": bytes(24), "1": bytes(24)},
    )
    try:
        store = open_store(path)
    except SourceError as error:
        assert str(path) in str(error)
    else:
        assert list(store.entries) == ["fine"]
        assert store.read("fine").equal(torch.zeros(2, 3))
        assert [left.name for left in store.skipped] == ["lie"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_torch_file_with_a_member_twice(tmp_path):
    path = torch_zip(tmp_path / "a.pt", protocol2({"a": 1}))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("archive/data.pkl", protocol2({"a": 2}))
    assert "twice" in refusal(path)


@pytest.mark.parametrize(
    ("record", "content"),
    [("byteorder", b"big"), ("BYTEORDER", b"big"), ("byteorder", b"x" * 100), (".storage_alignment", b"0"),
     (".storage_alignment", b"-1"), (".storage_alignment", b"9" * 30), (".format_version", b"one")],
)  # fmt: skip
def test_record_that_would_end_the_process(record, content, tmp_path):
    """torch's reader swaps the bytes of a tensor without numbers, and divides by an alignment of zero."""
    torch.save({"w": torch.arange(6.0).reshape(2, 3)}, tmp_path / "good.pt")
    with zipfile.ZipFile(tmp_path / "good.pt") as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    members = {name: data for name, data in members.items() if not name.endswith("/" + record.lower())}
    bad = npz(tmp_path / "bad.pt", {**members, f"good/{record}": content})
    refusal(bad)


def test_compressed_torch_file(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", protocol2({"a": 1}))
    assert "compressed" in refusal(tmp_path / "a.pt")


# ------------------------------------------------------------------------------------------------------------- npz


def test_objects_in_npz_are_never_opened(tmp_path):
    trace = tmp_path / "trace"
    np.savez(
        tmp_path / "a.npz",
        allow_pickle=True,
        bad=np.array([crafting.Harm(trace)], dtype=object),
        good=np.ones((2, 2)),
    )
    store = open_store(tmp_path / "a.npz")
    assert list(store.entries) == ["good"]
    assert [(left.name, "Python objects" in left.reason) for left in store.skipped] == [("bad", True)]
    assert not trace.exists()


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        (npy_bytes("<f8", (10**9, 10**9), bytes(80)), "does not fit"),
        (npy_bytes("<f8", (2**61, 8), bytes(0)), "does not fit"),
        (npy_bytes("<f8", (-1, -10), bytes(80)), "does not fit"),
        (npy_bytes("<f8", (11,), bytes(80)), "does not fit"),
        (npy_bytes("<f8", "text", bytes(80)), "damaged"),
        (npy_bytes("<q9", (10,), bytes(80)), "damaged"),
        (npy_bytes("<U4", (5,), bytes(80)), "no numbers"),
        (npy_bytes("<f16", (5,), bytes(80)), "no numbers"),
        (npy_bytes("|V2", (40,), bytes(80)), "bfloat16"),
        (npy_bytes("<M8[s]", (10,), bytes(80)), "no numbers"),
        (b"\x93NUMPY\x09\x00" + bytes(80), "damaged"),
        (b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 70000, "damaged"),
        (b"", "damaged"),
        (b"nonsense", "damaged"),
    ],
)
def test_bad_member_costs_one_array(member, reason, tmp_path):
    npz(tmp_path / "a.npz", {"bad.npy": member, "good.npy": npy_bytes("<f8", (10,), bytes(80))})
    store = open_store(tmp_path / "a.npz")
    assert list(store.entries) == ["good"]
    assert store.read("good").equal(torch.zeros(10, dtype=torch.float64))
    assert [(left.name, reason in left.reason) for left in store.skipped] == [("bad", True)], store.skipped


def test_archive_made_to_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("eigentrail.weights.readers.npz_file._BOMB_SIZE", 2**20)
    size = 2**23
    with (
        zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a.npy", "w") as file,
    ):
        file.write(npy_bytes("<f8", (size // 8,), b""))
        for _ in range(size // 2**20):
            file.write(bytes(2**20))
    store = open_store(tmp_path / "a.npz")
    assert [(left.name, "fill the memory" in left.reason) for left in store.skipped] == [("a", True)]


def test_truncated_npz(tmp_path):
    content = crafting.plain_npz_bytes()
    for length in range(1, len(content), 7):
        (tmp_path / "a.npz").write_bytes(content[:length])
        refusal(tmp_path / "a.npz")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("side", [20, 300])
def test_flipped_byte_in_npz_is_noticed(save, side, tmp_path):
    save(tmp_path / "a.npz", a=np.random.default_rng(0).normal(size=(side, side)))
    content = (tmp_path / "a.npz").read_bytes()
    for place in np.linspace(300, len(content) - 300, 12, dtype=int):
        flipped = bytearray(content)
        flipped[place] ^= 0x55
        (tmp_path / "a.npz").write_bytes(flipped)
        store = open_store(tmp_path / "a.npz")
        if store.entries:
            with pytest.raises(SourceError, match="damaged"):
                store.read("a")
        else:
            assert "damaged" in store.skipped[0].reason
