"""Feed damaged and hostile files to the readers and demand that only eigentrail's own errors come out.

    python tools/fuzz_readers.py --seconds 120 --seed 0
    python tools/fuzz_readers.py --seed 0 --case 1234 --keep /tmp/case      # one case again, its files kept

Every case is known by (seed, number): a valid file of one format (safetensors, sharded index, npz, torch zip, torch's
older format) is mutated, as bytes or through its structure with checksums and lengths made right again, then opened,
every tensor read and every matrix built. It fails on any exception that is no EigentrailError, on a tensor that is not
as its entry says, on more than 10 seconds, on 1 GB of memory, on a dead process, and on a safetensors file that we
accept and the format's own library refuses.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from eigentrail.errors import EigentrailError
from eigentrail.weights import open_store, open_weights

LONGEST, LARGEST = 10.0, 2**30  # seconds and bytes for one case
NUMBERS = [
    0,
    1,
    -1,
    2,
    7,
    255,
    2**16,
    2**31 - 1,
    2**31,
    2**32,
    2**53,
    2**62,
    2**63 - 1,
    2**63,
    2**64 - 1,
    10**30,
    -(2**63),
]
VALUES: list[Any] = [
    *NUMBERS, 0.5, 1e308, True, None, "", "F32", "../x", "/etc/passwd", "a\0b", "\ud800", [], {}, [[[]]], [0] * 70,
    "x" * 300, "one.safetensors", [2**40, 2**40], [-1, 4], {"a": {}},
]  # fmt: skip
RECORDS = [b"big", b"little", b"0", b"1", b"-1", b"3", b"64", b"9" * 20, b"", b"native"]
Files = dict[str, bytes]


def named_tensors() -> dict[str, torch.Tensor]:
    """Small tensors of several precisions."""
    kinds = [torch.float32, torch.bfloat16, torch.float8_e4m3fn, torch.int64, torch.float64]
    named = {
        f"layers.{i}.fc.weight": torch.arange(12.0).reshape(3, 4).to(kind) for i, kind in enumerate(kinds)
    }
    return named | {"conv.weight": torch.ones(2, 2, 3, 3), "bias": torch.ones(5), "empty": torch.ones(0, 3)}


def safetensors_files() -> Files:
    """One safetensors file."""
    return {"model.safetensors": save(named_tensors(), {"format": "pt"})}


def sharded_files() -> Files:
    """An index and two shards."""
    named = list(named_tensors().items())
    shards = {"one.safetensors": dict(named[::2]), "two.safetensors": dict(named[1::2])}
    index = {"metadata": {}, "weight_map": {name: shard for shard, part in shards.items() for name in part}}
    files = {shard: save(part) for shard, part in shards.items()}
    return files | {
        "model.safetensors.index.json": json.dumps(index).encode(),
        "config.json": b'{"num_heads": 2}',
    }


def npz_files(save_arrays: Callable[..., None] = np.savez) -> Files:
    """A numpy archive."""
    buffer = io.BytesIO()
    save_arrays(buffer, a=np.arange(12.0).reshape(3, 4), b=np.ones((2, 3), np.float16), c=np.arange(5))
    return {"weights.npz": buffer.getvalue()}


def torch_files(*, zipped: bool = True) -> Files:
    """A checkpoint with a nest, a tied and a strided tensor, numpy's numbers and settings."""
    named = {name: t for name, t in named_tensors().items() if zipped or "float8" not in str(t.dtype)}
    named["tied"] = named["conv.weight"]
    named["turned"] = torch.arange(12.0).reshape(3, 4).T
    checkpoint = {
        "state_dict": named,
        "epoch": 3,
        "best": np.float64(0.5),
        "array": np.ones(3),
        "losses": [0.1, 0.2],
    }
    buffer = io.BytesIO()
    torch.save(checkpoint, buffer, _use_new_zipfile_serialization=zipped)
    return {"model.pt": buffer.getvalue()}


FORMATS: dict[str, Callable[[], Files]] = {
    "safetensors": safetensors_files,
    "index": sharded_files,
    "npz": npz_files,
    "npz-compressed": lambda: npz_files(np.savez_compressed),
    "torch-zip": torch_files,
    "torch-legacy": lambda: torch_files(zipped=False),
}


def mutate_bytes(content: bytes, rng: random.Random) -> bytes:
    """Damage bytes at a few places, the beginning and the end more often than the rest."""
    data = bytearray(content)
    for _ in range(rng.choice([1, 1, 1, 2, 4, 16])):
        if not data:
            break
        reach = rng.choice([len(data), len(data), min(len(data), 64), min(len(data), 512)])
        place = rng.randrange(reach) if rng.random() < 0.8 else len(data) - 1 - rng.randrange(reach)
        match rng.randrange(8):
            case 0:
                data[place] ^= 1 << rng.randrange(8)
            case 1:
                data[place] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)])
            case 2:
                data[place:place] = rng.randbytes(rng.choice([1, 2, 8, 100]))
            case 3:
                del data[place : place + rng.choice([1, 2, 8, 100])]
            case 4:
                del data[place:]
            case 5:
                form = rng.choice(["<Q", "<I", "<H"])
                number = rng.choice(NUMBERS) % 2 ** (8 * struct.calcsize(form))
                data[place : place + struct.calcsize(form)] = struct.pack(form, number)
            case 6:
                other = rng.randrange(len(data))
                data[place:place] = data[other : other + rng.choice([4, 30, 200])]
            case _:
                other = rng.randrange(len(data))
                data[place], data[other] = data[other], data[place]
    return bytes(data)


def mutate_json(value: Any, rng: random.Random) -> Any:
    """Put a wrong value somewhere into a tree, or move, double or drop a branch."""
    if not isinstance(value, (dict, list)) or not value or rng.random() < 0.15:
        if isinstance(value, int) and rng.random() < 0.5:
            return value + rng.choice([-8, -4, -1, 1, 4, 8])
        return rng.choice(VALUES)
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    changed = dict(value) if isinstance(value, dict) else list(value)
    key = rng.choice(keys)
    match rng.randrange(6):
        case 0:
            del changed[key]
        case 1:
            changed[key] = value[rng.choice(keys)]
        case 2 if isinstance(changed, dict):
            changed[rng.choice(["__metadata__", "new", "", "a/b", "x" * 5000, "bias"])] = value[key]
        case _:
            changed[key] = mutate_json(value[key], rng)
    return changed


def mutate_safetensors(content: bytes, rng: random.Random) -> bytes:
    """Change the header as a tree, its length made right again."""
    length = int.from_bytes(content[:8], "little")
    header = mutate_json(json.loads(content[8 : 8 + length]), rng)
    raw = json.dumps(header).encode("utf-8", "replace")
    if rng.random() < 0.1:
        raw = raw.replace(b'"shape"', b'"dtype"', 1)
    return struct.pack("<Q", len(raw)) + raw + content[8 + length :]


def mutate_zip(content: bytes, rng: random.Random) -> bytes:
    """Change one member and pack again, so that lengths and checksums are right."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [(info, archive.read(info)) for info in archive.infolist()]
    small = [i for i, (info, _) in enumerate(members) if info.filename.endswith((".pkl", ".npy"))]
    chosen = rng.choice(small if rng.random() < 0.7 else list(range(len(members))))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number, (info, data) in enumerate(members):
            fate = rng.random() if number == chosen else 1.0
            if fate < 0.05:
                continue
            name = (
                rng.choice(["x", "../../x.npy", "a.npy", info.filename * 30]) if fate < 0.1 else info.filename
            )
            compression = info.compress_type if fate > 0.15 else zipfile.ZIP_DEFLATED
            changed = rng.choice(RECORDS) if len(data) < 8 and rng.random() < 0.8 else mutate_bytes(data, rng)
            archive.writestr(name, changed if fate < 1 else data, compression)
            if 0.15 < fate < 0.2:
                archive.writestr(info.filename, data, compression)
    return buffer.getvalue()


def mutate(files: Files, rng: random.Random) -> Files:
    """Change one of the files of a case."""
    name = rng.choice(sorted(files))
    content = files[name]
    structured: Callable[[bytes, random.Random], bytes] | None = None
    if name.endswith(".json"):
        structured = lambda raw, rng: json.dumps(mutate_json(json.loads(raw), rng)).encode()  # noqa: E731
    elif name.endswith(".safetensors"):
        structured = mutate_safetensors
    elif content.startswith(b"PK"):
        structured = mutate_zip
    if structured is not None and rng.random() < 0.65:
        try:
            return files | {name: structured(content, rng)}
        except (ValueError, zipfile.BadZipFile):
            pass  # a mutation before this one has left no structure to change
    return files | {name: mutate_bytes(content, rng)}


def peak() -> int:
    """The most memory that this process had, in bytes (0 where the system does not say)."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def check(folder: Path, files: Files) -> str:
    """Open what was written; returns how it went, raises AssertionError on a finding."""
    for name, content in files.items():
        (folder / name).write_bytes(content)
    source = folder if len(files) > 1 else folder / next(iter(files))
    started, before = time.perf_counter(), peak()
    outcome = "read"
    try:
        store = open_store(source)
        for name, entry in store.entries.items():
            try:
                tensor = store.read(name)
            except EigentrailError:
                outcome = "some read"
                continue
            assert tuple(tensor.shape) == entry.shape, f"{name}: {tuple(tensor.shape)} is not {entry.shape}"
            assert str(tensor.dtype) == f"torch.{entry.dtype}", f"{name}: {tensor.dtype} is not {entry.dtype}"
        weights = open_weights(source)
        for name in weights:
            try:
                weights[name]
            except EigentrailError:
                outcome = "some read"
        outcome = "some read" if store.skipped else outcome
    except EigentrailError as error:
        assert "\n" not in str(error), f"more than one line: {error!r}"
        outcome = "refused"
    assert time.perf_counter() - started < LONGEST, f"took {time.perf_counter() - started:.1f} s"
    assert peak() - before < LARGEST, f"took {(peak() - before) / 2**20:.0f} MB"
    if outcome == "read" and source.suffix == ".safetensors":
        try:
            with safe_open(source, "pt") as file:
                file.keys()
        except SafetensorError as error:
            raise AssertionError(f"accepted, but the format's own library refuses it: {error}") from error
    return outcome


def run_case(seed: int, number: int, keep: Path | None = None) -> tuple[str, str]:
    """Make and check one case; returns its format and how it went."""
    rng = random.Random(f"{seed}/{number}")
    kind = rng.choice(sorted(FORMATS))
    files = mutate(FORMATS[kind](), rng)
    if rng.random() < 0.2:
        files = mutate(files, rng) if kind in {"torch-legacy", "index"} else files
    with tempfile.TemporaryDirectory() as folder:
        return kind, check(keep or Path(folder), files)


def work(seed: int, first: int, last: int, until: float) -> None:
    """Run cases one after the other and print a line for each; a parent reads them."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    for number in range(first, last):
        if time.time() > until:
            break
        print(f"start {number}", flush=True)
        try:
            print("done", number, *run_case(seed, number), sep="\t", flush=True)
        except Exception:
            print("found", number, json.dumps(traceback.format_exc()), sep="\t", flush=True)


def supervise(seed: int, seconds: float, cases: int) -> int:
    """Run cases in a process that may die, and begin again behind the case that killed it."""
    until, first = time.time() + seconds, 0
    outcomes: dict[tuple[str, str], int] = {}
    findings = 0
    while first < cases and time.time() < until:
        command = [
            sys.executable,
            __file__,
            "--seed",
            str(seed),
            "--work",
            str(first),
            str(cases),
            str(until),
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            last = first
            for line in child.stdout:
                word, *rest = line.rstrip("\n").split("\t")
                if word.startswith("start"):
                    last = int(word.split()[1])
                elif word == "done":
                    outcomes[rest[1], rest[2]] = outcomes.get((rest[1], rest[2]), 0) + 1
                elif word == "found":
                    findings += 1
                    print(f"case {rest[0]}:\n{json.loads(rest[1])}", flush=True)
        if child.returncode != 0:
            findings += 1
            print(f"case {last}: the process died with status {child.returncode}", flush=True)
        first = last + 1
    for (kind, outcome), count in sorted(outcomes.items()):
        print(f"{kind:15} {outcome:10} {count:6}")
    print(f"{sum(outcomes.values())} cases without a finding, {findings} findings (seed {seed})")
    return 1 if findings else 0


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--cases", type=int, default=10**9)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--case", type=int, help="run this one case only, in this process")
    parser.add_argument("--keep", type=Path, help="where to leave the files of that case")
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        work(given.seed, int(given.work[0]), int(given.work[1]), float(given.work[2]))
        return 0
    if given.case is not None:
        if given.keep:
            given.keep.mkdir(parents=True, exist_ok=True)
        print(*run_case(given.seed, given.case, given.keep))
        return 0
    return supervise(given.seed, given.seconds, given.cases)


if __name__ == "__main__":
    sys.exit(main())
