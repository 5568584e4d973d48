"""Files made byte by byte: valid ones of every format, and broken ones."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import torch

FLOATS = [torch.float64, torch.float32, torch.bfloat16, torch.float16, torch.float8_e4m3fn, torch.float8_e5m2]
INTEGERS = [torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool]


def tensors(seed: int = 0) -> dict[str, torch.Tensor]:
    """One tensor of every precision and of many shapes, known by its seed."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    named = {f"kinds.{str(kind).removeprefix('torch.')}.weight": draw(6, 5).to(kind) for kind in FLOATS}
    named |= {
        f"codes.{str(kind).removeprefix('torch.')}": (3 * draw(4, 3)).abs().to(kind) for kind in INTEGERS
    }
    named |= {"bias": draw(7).float(), "scalar": draw(1)[0].float(), "empty.weight": draw(0, 4).float()}
    return named | {"conv.weight": draw(4, 3, 2, 2).float(), "conv3.weight": draw(2, 2, 2, 1, 3).float()}


def safetensors_bytes(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    """A safetensors file of any header, right or wrong."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw) if length is None else length) + raw + data


def f32(shape: list[int], low: int, high: int) -> dict[str, object]:
    """The header's fields of a float32 tensor."""
    return {"dtype": "F32", "shape": shape, "data_offsets": [low, high]}


def npy_bytes(descr: str, shape: object, data: bytes) -> bytes:
    """A numpy array's file of any declared precision and shape."""
    head = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode()
    head += b" " * (64 - (len(head) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + data


def npz(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    """An archive of raw members."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


class Harm:
    """An object whose unpickling writes a file."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        """Say that unpickling means to open the file for writing."""
        return (open, (str(self.trace), "w"))


def torch_zip(path: Path, pickled: bytes, storages: dict[str, bytes] | None = None) -> Path:
    """A file of torch's zip format around any pickle."""
    members = {"archive/data.pkl": pickled, "archive/version": b"3\n", "archive/byteorder": b"little"}
    members |= {f"archive/data/{key}": content for key, content in (storages or {}).items()}
    return npz(path, members)


def plain_npz_bytes() -> bytes:
    """A small archive of two arrays."""
    buffer = io.BytesIO()
    np.savez(buffer, a=np.arange(12.0).reshape(3, 4), b=np.ones(5, np.float32))
    return buffer.getvalue()


def protocol2(value: object) -> bytes:
    """Pickle as torch does."""
    return pickle.dumps(value, protocol=2)
