"""Torch files with anything in them: the tensors are read, nothing of the file's is run, what was replaced is told."""

from __future__ import annotations

import collections
import datetime
import decimal
import functools
import io
import os
import pathlib
import pickle
import resource
import sys
import types
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from eigentrail.errors import SourceError
from eigentrail.weights import open_store

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from crafting import torch_zip

W = torch.arange(12.0).reshape(3, 4)


@dataclass
class Config:
    """A settings class of somebody's own script."""

    width: int = 3
    history: list[float] | None = None


class AttributeDict(dict):
    """As Lightning's: keys are attributes too."""

    def __getattr__(self, name):
        return self[name]


class Slotted:
    __slots__ = ("a",)

    def __init__(self):
        self.a = 1


HARMLESS = {
    "own class": Config(history=[1.0]),
    "defaultdict": collections.defaultdict(list, a=[1]),
    "counter": collections.Counter("aab"),
    "deque": collections.deque([1, 2], maxlen=3),
    "datetime": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
    "decimal": decimal.Decimal("1.5"),
    "slice": slice(1, 2),
    "partial": functools.partial(int, base=2),
    "BytesIO": io.BytesIO(b"abc"),
    "attribute dict": AttributeDict(lr=0.1, nested=AttributeDict(x=1)),
    "namespace": types.SimpleNamespace(a=1),
    "slots": Slotted(),
    "range": range(3),
    "complex": 1 + 2j,
    "set": {1, 2},
    "frozenset": frozenset({3}),
    "bytes": b"\x00\xff",
    "bytearray": bytearray(b"xy"),
    "path": pathlib.PurePosixPath("/a"),
    "class": Config,
    "function": os.path.join,
    "dtype": torch.float16,
    "device": torch.device("cpu"),
    "size": torch.Size([1, 2]),
    "numpy scalar": np.float64(3.5),
    "numpy random state": np.random.default_rng(0),
    "exception": ValueError("x"),
    "big number": 10**50,
}


@pytest.mark.parametrize(("legacy", "protocol"), [(False, 2), (False, 4), (True, 4)])
@pytest.mark.parametrize("kind", HARMLESS)
def test_side_objects_do_not_keep_the_weights_from_being_read(kind, protocol, legacy, tmp_path):
    checkpoint = {"state_dict": {"fc.weight": W}, "extra": HARMLESS[kind], "epoch": 3}
    torch.save(
        checkpoint, tmp_path / "a.pt", pickle_protocol=protocol, _use_new_zipfile_serialization=not legacy
    )
    store = open_store(tmp_path / "a.pt")
    assert list(store.entries) == ["fc.weight"]
    assert store.read("fc.weight").equal(W)


def test_what_was_replaced_is_listed(tmp_path):
    torch.save({"w": W, "config": Config(), "when": HARMLESS["datetime"]}, tmp_path / "a.pt")
    (left,) = open_store(tmp_path / "a.pt").skipped
    assert "datetime.datetime" in left.reason and "Config" in left.reason


@pytest.mark.parametrize("legacy", [False, True])
def test_every_way_that_torch_writes_a_tensor(legacy, tmp_path):
    base = torch.arange(24.0).reshape(4, 6)
    tensors = {
        "plain": base, "view": base[1:, 2:5], "turned": base.T, "scalar": torch.tensor(2.5), "empty": torch.zeros(0, 3),
        "parameter": nn.Parameter(base.clone()), "half": base.half(), "bfloat": base.bfloat16(),
        "float8": base.to(torch.float8_e4m3fn), "uint16": torch.arange(6).to(torch.uint16), "bool": base > 3,
        "long": torch.arange(5), "complex": torch.complex(base, base),
    }  # fmt: skip
    torch.save(tensors, tmp_path / "a.pt", _use_new_zipfile_serialization=not legacy)
    store = open_store(tmp_path / "a.pt")
    assert set(store.entries) == set(tensors)
    for name, tensor in tensors.items():
        found = store.read(name)
        assert found.dtype == tensor.dtype
        assert torch.equal(
            found.contiguous().view(torch.uint8) if found.ndim else found,
            tensor.contiguous().view(torch.uint8) if tensor.ndim else tensor,
        )


def test_ties_and_gradients_survive(tmp_path):
    shared = nn.Parameter(W.clone())
    torch.save({"a.weight": shared, "b.weight": shared, "g": W.clone().requires_grad_()}, tmp_path / "a.pt")
    store = open_store(tmp_path / "a.pt")
    assert store.entries["a.weight"].aliases == ("b.weight",)
    assert "g" in store.entries


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_tensors_that_are_not_read_are_told_one_by_one(tmp_path):
    odd = {
        "sparse": W.to_sparse(),
        "csr": W.to_sparse_csr(),
        "quantised": torch.quantize_per_tensor(W, 0.1, 0, torch.qint8),
        "meta": torch.ones(2, 2, device="meta"),
        "negated": torch.complex(W, W).conj().imag,
    }
    torch.save({"fc.weight": W, **odd}, tmp_path / "a.pt")
    store = open_store(tmp_path / "a.pt")
    assert list(store.entries) == ["fc.weight"]
    assert {left.name for left in store.skipped} == set(odd)
    assert not any("damaged" in left.reason for left in store.skipped)


# ------------------------------------------------------------------------------------------------------- attacks


class Calls:
    """Pickles as a call of anything."""

    def __init__(self, function, *arguments):
        self.told = (function, arguments)

    def __reduce__(self):
        return self.told


def _attacks(trace: str) -> dict[str, bytes]:
    run = f"open({trace!r}, 'w')"
    p = pickle.dumps
    name = lambda module, attribute: b"c" + module + b"\n" + attribute + b"\n"  # noqa: E731
    text = lambda s: b"X" + len(s).to_bytes(4, "little") + s  # noqa: E731
    return {
        "reduce of eval": p(Calls(eval, run), 2),
        "reduce of exec": p(Calls(exec, run), 4),
        "reduce of system": p(Calls(os.system, f"touch {trace}"), 2),
        "getattr chain": p(Calls(getattr, Calls(__import__, "os"), "system"), 2),
        "inst": b"(S'touch " + trace.encode() + b"'\nios\nsystem\n.",
        "obj": b"(" + name(b"os", b"system") + b"S'touch " + trace.encode() + b"'\no.",
        "newobj": b"\x80\x02" + name(b"subprocess", b"Popen") + b"(" + text(b"touch") + b"t\x81.",
        "build of a function of torch's": b"\x80\x02" + name(b"torch._utils", b"_rebuild_tensor_v2")
        + b"N}" + text(b"__defaults__") + b")s\x86b.",
        "build of a class": b"\x80\x02" + name(b"builtins", b"dict") + b"}" + text(b"x") + b"K\x01sb.",
        "setitem of a name": b"\x80\x02" + name(b"os", b"environ") + text(b"HACKED") + text(b"1") + b"s.",
        "append to a name": b"\x80\x02" + name(b"sys", b"path") + text(b"/evil") + b"a.",
        "extension code": b"\x80\x02\x82\x01)R.",
        "setstate": p(Calls(type, "X", (), {"__setstate__": 1}), 2),
        "call of a call": b"\x80\x02" + name(b"builtins", b"eval") + text(run.encode()) + b"\x85R)R.",
        "persistent text": b"P" + run.encode() + b"\n.",
        "unknown storage": b"\x80\x02("
        + text(b"storage") + name(b"os", b"system") + text(b"0") + text(b"cpu") + b"K\x01tQ.",
        "key with a hash": b"\x80\x02}" + name(b"os", b"system") + b")RK\x01s.",
    }  # fmt: skip


@pytest.mark.parametrize("attack", _attacks("x"))
def test_nothing_of_the_file_s_is_run(attack, tmp_path, monkeypatch):
    trace = tmp_path / "trace"
    before = dict(os.environ), list(sys.path), torch._utils._rebuild_tensor_v2.__defaults__
    pickled = _attacks(str(trace))[attack]
    # As the whole file, and beside a tensor.
    for wrapped in (
        pickled,
        b"\x80\x02}X\x01\x00\x00\x00a"
        + pickled.removeprefix(b"\x80\x02").removeprefix(b"\x80\x04")[:-1]
        + b"s.",
    ):
        path = torch_zip(tmp_path / "a.pt", wrapped)
        with pytest.raises(SourceError) as refused:
            open_store(path)
        assert str(path) in str(refused.value)
    assert not trace.exists()
    assert (dict(os.environ), list(sys.path), torch._utils._rebuild_tensor_v2.__defaults__) == before


BOMBS = {
    "lists in lists": b"\x80\x02" + b"]" * 60_000 + b"a" * 59_999 + b".",
    "tuples in tuples": b"\x80\x02)" + b"\x85" * 100_000 + b".",
    "a deep tuple as key": b"\x80\x02})" + b"\x85" * 100_000 + b"K\x01s.",
    "dicts in dicts": b"\x80\x02" + b"}K\x00" * 30_000 + b"N" + b"s" * 30_000 + b".",
    "stand-ins in stand-ins": b"\x80\x02cos\nsystem\nq\x00N" + b"\x85h\x00\x85\x85" * 10_000 + b".",
    "doubling": b"\x80\x02)" + b"2\x86" * 60 + b".",
    "doubling lists": b"\x80\x02]q\x00" + b"".join(b"(h%ch%clq%c" % (k, k, k + 1) for k in range(60)) + b".",
    "a huge bytearray": b"\x80\x02cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R.",
    "a huge text": b"\x80\x04\x8d" + (2**60).to_bytes(8, "little") + b"x.",
    "a huge number": b"\x80\x02\x8b" + (2**31 - 1).to_bytes(4, "little") + b"x.",
    "digits": b"I" + b"9" * 100_000 + b"\n.",
    "a list that holds itself": b"\x80\x02]q\x00h\x00a.",
    "a dict that holds itself": b"\x80\x02}q\x00K\x00h\x00s.",
    "no end": b"\x80\x02}",
    "an empty stack": b"\x80\x02.",
    "a mark that is not there": b"\x80\x02t.",
}  # fmt: skip


@pytest.mark.parametrize("bomb", BOMBS)
def test_no_bomb_takes_the_memory_or_the_stack(bomb, tmp_path):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # in KiB
    path = torch_zip(tmp_path / "a.pt", BOMBS[bomb])
    with pytest.raises(SourceError):
        open_store(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < before + 300 * 2**10


def test_random_pickles_end_in_a_sentence(tmp_path):
    """Bytes changed, cut and repeated: every one is read or refused, nothing else."""
    buffer = io.BytesIO()
    torch.save({"state_dict": {"w": W}, "c": Config()}, buffer)
    import zipfile

    with zipfile.ZipFile(io.BytesIO(buffer.getvalue())) as archive:
        members = {info.filename.partition("/")[2]: archive.read(info) for info in archive.infolist()}
    good = members["data.pkl"]
    random = np.random.default_rng(0)
    for _ in range(300):
        bad = bytearray(good)
        for place in random.integers(0, len(bad), 1 + random.integers(4)):
            bad[place] = random.integers(256)
        cut = bytes(bad[: random.integers(1, len(bad) + 1)]) if random.random() < 0.3 else bytes(bad)
        path = torch_zip(tmp_path / "a.pt", cut, {"0": members["data/0"]})
        try:
            store = open_store(path)
            for name in store.entries:
                store.read(name)
        except SourceError:
            continue
