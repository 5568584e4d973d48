"""Safetensors files: a copy with some tensors replaced, and a new file of any store's tensors."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

from torch import Tensor

from eigentrail.errors import SourceError
from eigentrail.weights.readers.safetensors_file import DTYPES
from eigentrail.weights.store import TensorStore
from eigentrail.weights.writers.patching import Patch, checked, copy_patched, tensor_bytes

_CODES = {name: code for code, name in DTYPES.items()}


def patch_safetensors(
    source: Path, target: IO[bytes], patches: Iterable[Patch], notes: Mapping[str, str]
) -> None:
    """Copy a safetensors file with some tensors replaced.

    Args:
        source: the file.
        target: where to write.
        patches: the replaced tensors.
        notes: what is added to the file's `__metadata__`; with none the header stays bit for bit.
    """
    with source.open("rb") as file:
        begin = 8 + int.from_bytes(file.read(8), "little")
        raw = file.read(begin - 8)
    if notes:
        header = json.loads(raw)
        header["__metadata__"] = {**(header.get("__metadata__") or {}), **notes}
        raw = _aligned(header)
    target.write(len(raw).to_bytes(8, "little") + raw)
    copy_patched(source, target, patches, start=begin)


def write_safetensors(
    store: TensorStore, target: IO[bytes], changes: Mapping[str, Tensor], notes: Mapping[str, str]
) -> None:
    """Write all tensors of a store as one safetensors file, one tensor in memory at a time.

    Other names of the same numbers stand in the metadata, as `safetensors.torch.save_model` puts them there.

    Args:
        store: the tensors.
        target: where to write.
        changes: tensors that take the place of the store's.
        notes: what is added to the metadata.

    Raises:
        SourceError: the format has no code for a tensor's precision.
    """
    header: dict[str, Any] = {}
    metadata = {"format": "pt"}
    place = 0
    for entry in store.entries.values():
        code = _CODES.get(entry.dtype)
        if code is None:
            raise SourceError(f"`{entry.name}` is {entry.dtype}, which safetensors files cannot hold.")
        header[entry.name] = {
            "dtype": code,
            "shape": list(entry.shape),
            "data_offsets": [place, place + entry.nbytes],
        }
        place += entry.nbytes
        metadata.update(dict.fromkeys(entry.aliases, entry.name))
    raw = _aligned({"__metadata__": {**metadata, **notes}, **header})
    target.write(len(raw).to_bytes(8, "little") + raw)
    for entry in store.entries.values():
        old = store.read(entry.name) if entry.name not in changes else None
        if old is None:
            import torch

            new = checked(changes[entry.name], entry.name, entry.shape, getattr(torch, entry.dtype))
        target.write(tensor_bytes(new if old is None else old))


def _aligned(header: Mapping[str, Any]) -> bytes:
    # The numbers begin at a multiple of eight bytes, as the format's own library has it.
    raw = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    return raw + b" " * (-len(raw) % 8)
