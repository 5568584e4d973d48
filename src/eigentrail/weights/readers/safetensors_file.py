"""Safetensors files: the header is checked here, completely, before a single number is read."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any

import torch

from eigentrail.errors import SourceError
from eigentrail.weights.slots import FileSlot, Listing, Slot, file_stamp, plausible_shape
from eigentrail.weights.store import Skipped

_LONGEST_HEADER = 100_000_000  # bytes; what the format's own library allows
_LONGEST_NAME = 4096
_AGAIN = "make or download it again"

#: The precisions of the format: {its code: torch's name}.
DTYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2", "F8_E8M0": "float8_e8m0fnu",
    "F8_E4M3FNUZ": "float8_e4m3fnuz", "F8_E5M2FNUZ": "float8_e5m2fnuz", "C64": "complex64",
    "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8",
    "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip
# Several numbers share a byte: {code: bits}.
_PACKED = {"F4": 4, "F6_E2M3": 6, "F6_E3M2": 6}


def list_safetensors(path: Path) -> Listing:
    """List the tensors of a safetensors file.

    Args:
        path: the file.

    Returns:
        Its tensors, ties (`__metadata__` as `safetensors.torch.save_model` writes it) and stamp.

    Raises:
        SourceError: the header is cut, malformed or contradicts itself or the file's size.
    """
    raw, begin, size = _read_header(path)
    header = _parse(path, raw)
    metadata = header.pop("__metadata__", None)
    if metadata is None:
        metadata = {}
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise SourceError(f"{path}: the header's `__metadata__` does not map text to text; {_AGAIN}.")
    slots: list[Slot] = []
    skipped: list[Skipped] = []
    extents: list[tuple[int, int, str]] = []
    for name, fields in header.items():
        code, shape, (low, high) = _fields(path, name, fields, size - begin)
        extents.append((low, high, name))
        torch_name = DTYPES.get(code)
        bits = _PACKED.get(code)
        if torch_name is not None and hasattr(torch, torch_name):
            dtype = getattr(torch, torch_name)
            bits = 8 * dtype.itemsize
            slots.append(FileSlot(name, shape, dtype, None, path, begin + low))
        else:
            skipped.append(
                Skipped(
                    name,
                    f"its numbers are stored as {code}, which cannot be read; unpack them to float16 first",
                )
            )
        if bits is not None and prod(shape) * bits != 8 * (high - low):
            raise SourceError(
                f"{path}: the header gives `{name}` {high - low} bytes, but {list(shape)} numbers of {code} "
                f"take "
                f"{prod(shape) * bits // 8}; {_AGAIN}."
            )
    _check_extents(path, extents, size - begin)
    ties = {other: kept for other, kept in metadata.items() if kept in header and other not in header}
    # The format orders tensors by type and name: layer 10 before layer 2. The network's own order is the natural one.
    slots.sort(key=lambda slot: natural_key(slot.name))
    return Listing(slots, skipped, ties, file_stamp(path, raw))


def natural_key(name: str) -> list[tuple[bool, int, str]]:
    """Sort names by the numbers in them: layer 2 before layer 10.

    Args:
        name: a tensor's name.

    Returns:
        A key for `sort`.
    """
    return [
        (part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in re.split(r"(\d+)", name)
    ]


def _read_header(path: Path) -> tuple[bytes, int, int]:
    # Read the header: its bytes, where the numbers begin, and the size of the file.
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > size - 8:
                what = (
                    f"the header is said to be {length} bytes long, but the file has {size}"
                    if size >= 8
                    else f"the file has only {size} bytes"
                )
                raise SourceError(f"{path}: {what}: it is cut or no safetensors file; {_AGAIN}.")
            if length > _LONGEST_HEADER:
                raise SourceError(
                    f"{path}: a header of {length} bytes is longer than the format allows "
                    f"({_LONGEST_HEADER}); "
                    f"{_AGAIN}."
                )
            return file.read(length), 8 + length, size
    except OSError as error:
        raise SourceError(f"{path}: cannot read the file: {error.strerror or error}.") from error


def _parse(path: Path, raw: bytes) -> dict[str, Any]:
    def refuse_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        # Half of a surrogate pair is no text: this raises UnicodeEncodeError, a ValueError.
        "".join(text for pair in pairs for text in pair if isinstance(text, str)).encode("utf-8")
        fields = dict(pairs)
        if len(fields) < len(pairs):
            names = [name for name, _ in pairs]
            twin = next(name for name in names if names.count(name) > 1)
            raise SourceError(f"{path}: the header names `{twin[:200]}` twice; {_AGAIN}.")
        return fields

    if not raw.startswith(b"{"):
        raise SourceError(
            f"{path}: the header does not begin with '{{': this is no safetensors file; {_AGAIN}."
        )
    try:
        header = json.loads(raw.decode("utf-8"), object_pairs_hook=refuse_twins)
    except (ValueError, RecursionError) as error:
        # UnicodeDecodeError and JSONDecodeError are both ValueErrors; so are integers of absurdly many
        # digits.
        raise SourceError(f"{path}: the header is not valid JSON ({str(error)[:200]}); {_AGAIN}.") from error
    if not isinstance(header, dict):
        raise SourceError(f"{path}: the header is no JSON object; {_AGAIN}.")
    return header


def _fields(path: Path, name: str, fields: object, size: int) -> tuple[str, tuple[int, ...], tuple[int, int]]:
    # Check one tensor's fields on their own: dtype, shape, data_offsets.
    if len(name) > _LONGEST_NAME:
        raise SourceError(f"{path}: the header holds a name of {len(name)} characters; {_AGAIN}.")
    if not isinstance(fields, dict):
        raise SourceError(f"{path}: the header says nothing usable about `{name}`; {_AGAIN}.")
    code, shape, offsets = fields.get("dtype"), fields.get("shape"), fields.get("data_offsets")
    if not isinstance(code, str) or len(code) > 32:
        raise SourceError(f"{path}: the header gives `{name}` no dtype; {_AGAIN}.")
    if not isinstance(shape, list) or not plausible_shape(shape):
        raise SourceError(
            f"{path}: the header gives `{name}` the impossible shape {str(shape)[:100]}; {_AGAIN}."
        )
    if not (
        isinstance(offsets, list) and len(offsets) == 2 and all(type(offset) is int for offset in offsets)
    ):
        raise SourceError(f"{path}: the header does not say where `{name}` lies; {_AGAIN}.")
    low, high = offsets
    if not 0 <= low <= high:
        raise SourceError(
            f"{path}: the header lets `{name}` lie from byte {str(low)[:40]} to {str(high)[:40]}; {_AGAIN}."
        )
    if high > size:
        raise SourceError(
            f"{path}: `{name}` should end at byte {str(high)[:40]} of the data, but the file has only "
            f"{size}: it was "
            f"cut; {_AGAIN}."
        )
    return code, tuple(shape), (low, high)


def _check_extents(path: Path, extents: list[tuple[int, int, str]], size: int) -> None:
    # Refuse tensors that share bytes and bytes that belong to no tensor, as the format does.
    extents = sorted(extents)
    for (low, high, name), (next_low, _, next_name) in pairwise(extents):
        if next_low < high:
            raise SourceError(
                f"{path}: `{name}` and `{next_name}` overlap (bytes {next_low} to {high}); {_AGAIN}."
            )
        if next_low > high:
            raise SourceError(
                f"{path}: bytes {high} to {next_low} between `{name}` and `{next_name}` belong to no tensor; "
                f"{_AGAIN}."
            )
        del low
    if (extents[0][0] if extents else 0) != 0 or (extents[-1][1] if extents else 0) != size:
        raise SourceError(f"{path}: the tensors do not cover the file's {size} bytes of data; {_AGAIN}.")
