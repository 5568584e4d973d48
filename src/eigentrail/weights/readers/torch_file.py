"""Files of `torch.save`.

The zip format is listed without reading a number, the format before it is loaded whole. Only torch's
restricted unpickler opens them: no code in a file is ever run.
"""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from eigentrail.errors import SourceError
from eigentrail.weights.nesting import find_state_dict
from eigentrail.weights.readers.inert import INERT, InertArray
from eigentrail.weights.readers.memory import why_unreadable
from eigentrail.weights.readers.npz_file import tensor_of, torch_dtype
from eigentrail.weights.slots import FileSlot, Listing, Slot, TensorSlot, file_stamp
from eigentrail.weights.store import Skipped

_STATE_DICT = "torch.save(model.state_dict(), path)"


def list_torch_zip(path: Path) -> Listing:
    """List the tensors of a file of `torch.save`.

    The pickle is read with every tensor on torch's `meta` device, which leaves the numbers on disk and only
    notes where they lie.

    Args:
        path: the file.

    Returns:
        The tensors of the state dict inside, ties by shared storage, and the stamp.

    Raises:
        SourceError: the file is damaged, or holds anything but plain data.
    """
    members = _members(path)
    rooms: dict[int | None, int] = {member.begin: member.size for member in members.values()}
    found, skipped = _state_dict(path, _load(path, "meta"))
    tensors = [value for value in found.values() if isinstance(value, Tensor) and value.numel()]
    mapped = bool(tensors) and all(_offset(value) is None for value in tensors)
    if mapped:
        # torch notes the places since 2.7 or so; before, the file is mapped, and again for each tensor.
        found, skipped = _state_dict(path, _load(path, "cpu", mmap=True))
    slots: list[Slot] = []
    for name, value in found.items():
        if isinstance(value, InertArray):
            _add_array(name, value, slots, skipped)
        elif (reason := why_unreadable(value, meta_is_fine=not mapped)) is not None:
            skipped.append(Skipped(name, reason))
        else:
            place = MappedSlot.of_view(path, name, value) if mapped else _place(path, name, value, rooms)
            (slots if isinstance(place, Slot) else skipped).append(place)  # type: ignore[arg-type]
    return Listing(slots, skipped, {}, file_stamp(path, repr(sorted(members.items())).encode()))


def list_torch_legacy(path: Path) -> Listing:
    """List the tensors of a file that torch wrote before its zip format of 2020.

    Such a file is one stream, which torch can only load whole; the tensors stay in memory.

    Args:
        path: the file.

    Returns:
        The tensors of the state dict inside, ties by shared storage, and the stamp.

    Raises:
        SourceError: the file is damaged, or holds anything but plain data.
    """
    found, skipped = _state_dict(path, _load(path, "cpu"))
    slots: list[Slot] = []
    for name, value in found.items():
        if isinstance(value, InertArray):
            _add_array(name, value, slots, skipped)
        elif (reason := why_unreadable(value)) is not None:
            skipped.append(Skipped(name, reason))
        elif prod(value.shape) * value.dtype.itemsize > value.untyped_storage().nbytes():
            skipped.append(Skipped(name, _repeated(value)))
        else:
            slots.append(TensorSlot.of(name, value))
    with path.open("rb") as file:
        return Listing(slots, skipped, {}, file_stamp(path, file.read(2**16)))


@dataclass(frozen=True)
class _Member:
    """A stored member of the archive: where its data begins, and how many bytes it has."""

    begin: int
    size: int


def _members(path: Path) -> dict[str, _Member]:
    # Find where each member lies, from the archive's own directory, refusing what torch never writes.
    try:
        with zipfile.ZipFile(path) as archive, path.open("rb") as file:
            members = {}
            seen: set[str] = set()
            for info in archive.infolist():
                _check_record(path, archive, info, seen)
                file.seek(info.header_offset)
                local = file.read(30)
                if len(local) < 30 or not local.startswith(b"PK\x03\x04"):
                    raise zipfile.BadZipFile(f"no entry at byte {info.header_offset}")
                begin = info.header_offset + 30
                begin += int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little")
                members[info.filename] = _Member(begin, info.file_size)
            return members
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError, OverflowError) as error:
        raise SourceError(
            f"{path}: the archive is cut or damaged ({error}); make or download it again."
        ) from error


def _check_record(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo, seen: set[str]) -> None:
    # Refuse what torch never writes, before torch's own reader, which trusts these records, meets it: numbers in
    # the other byte order and an alignment of zero end the whole process there.
    again = "make or download it again"
    if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
        raise SourceError(
            f"{path}: `{info.filename}` is compressed or encrypted, as torch never does; save it again with "
            f"{_STATE_DICT}."
        )
    # torch's reader does not tell capitals from small letters.
    name = info.filename.lower()
    if name in seen:
        raise SourceError(f"{path}: the archive holds `{info.filename}` twice; {again}.")
    seen.add(name)
    record = name.rpartition("/")[2]
    if record in {"byteorder", ".format_version", ".storage_alignment"}:
        if info.file_size > 32:
            raise SourceError(f"{path}: the record `{info.filename}` is not as torch writes it; {again}.")
        content = archive.read(info).strip()
        if record == "byteorder" and content != b"little":
            raise SourceError(
                f"{path}: the numbers are stored in {content.decode('ascii', 'replace')!r} byte order, and only "
                f"'little' is read; load it where it was made, and save it as safetensors."
            )
        if record != "byteorder" and not (content.isdigit() and 0 < int(content) <= 2**20):
            raise SourceError(f"{path}: the record `{info.filename}` is not as torch writes it; {again}.")


def _load(path: Path, device: str, *, mmap: bool = False) -> Any:
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(INERT):
            warnings.simplefilter("ignore")
            return torch.load(path, map_location=device, weights_only=True, mmap=mmap)
    except Exception as error:
        # torch's readers raise whatever a damaged stream leads them into: all of it means the same.
        culprit = re.search(r"(?:GLOBAL|GLOBAL `?|function|class) ?`?([\w.]+\.[\w.]+)", str(error))
        if "weights_only" in str(error).lower() or "unsupported global" in str(error).lower():
            what = f" (`{culprit.group(1)}`)" if culprit else ""
            raise SourceError(
                f"{path}: the file holds Python objects{what} that could run code when opened, so it is not "
                f"opened. Save the weights alone: {_STATE_DICT}."
            ) from error
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise SourceError(
            f"{path}: the checkpoint is cut or damaged ({first_line}); make or download it again."
        ) from error


def _state_dict(path: Path, checkpoint: object) -> tuple[dict[str, Any], list[Skipped]]:
    if isinstance(checkpoint, Tensor):
        return {"weight": checkpoint}, []
    if isinstance(checkpoint, (list, tuple)):
        checkpoint = dict(enumerate(checkpoint))
    if not isinstance(checkpoint, Mapping):
        raise SourceError(
            f"{path}: the file holds a {type(checkpoint).__name__} and no weights; save {_STATE_DICT}."
        )
    return find_state_dict(checkpoint)


def _offset(value: Tensor) -> int | None:
    # Where the tensor's storage begins in the file, as torch notes it on the meta device.
    offset = getattr(value.untyped_storage(), "_checkpoint_offset", None)
    return offset if isinstance(offset, int) else None


@dataclass(frozen=True)
class MappedSlot(Slot):
    """A tensor of a file that is mapped anew for each reading, so that no page stays resident.

    Attributes:
        path: the file.
    """

    path: Path

    @classmethod
    def of_view(cls, path: Path, name: str, value: Tensor) -> Slot | Skipped:
        """Make the slot of a tensor that is a view of the mapped file.

        Args:
            path: the file.
            name: the tensor's name in the state dict.
            value: the view; it is not kept.

        Returns:
            The slot, or why the tensor cannot be read.
        """
        if prod(value.shape) * value.dtype.itemsize > value.untyped_storage().nbytes():
            return Skipped(name, _repeated(value))
        place = TensorSlot.of(name, value).identity
        return cls(name, tuple(value.shape), value.dtype, place, path)

    def read(self) -> Tensor:
        """Map the file and copy the tensor out of it.

        Returns:
            The tensor.

        Raises:
            SourceError: the file changed since it was opened.
        """
        found, _ = _state_dict(self.path, _load(self.path, "cpu", mmap=True))
        value = found.get(self.name)
        if not isinstance(value, Tensor) or tuple(value.shape) != self.shape or value.dtype != self.dtype:
            raise SourceError(f"{self.path}: `{self.name}` changed since it was opened; open it again.")
        return value.detach().clone()


def _place(path: Path, name: str, value: Tensor, rooms: Mapping[int | None, int]) -> Slot | Skipped:
    # Translate a tensor on the meta device to the bytes of the file where its numbers lie.
    begin = _offset(value)
    room = rooms.get(begin)
    if value.numel() == 0:
        room, begin = 0, 0
    if room is None or begin is None:
        return Skipped(name, f"its numbers are not in the file; make or download {path.name} again")
    first = begin + value.storage_offset() * value.dtype.itemsize
    shape, strides = tuple(value.shape), tuple(value.stride())
    slot = FileSlot(
        name, shape, value.dtype, (path, first, shape, strides, value.dtype) if value.numel() else None, path,
        int(first), None if value.is_contiguous() else strides,
    )  # fmt: skip
    if slot.nbytes > room:
        return Skipped(name, _repeated(value))
    if first + slot.span > begin + room:
        return Skipped(name, f"reaches beyond its storage in the file; make or download {path.name} again")
    return slot


def _repeated(value: Tensor) -> str:
    return f"its shape {list(value.shape)} repeats fewer stored numbers (an expanded view)"


def _add_array(name: str, value: InertArray, slots: list[Slot], skipped: list[Skipped]) -> None:
    array = value.array()
    if array is None or torch_dtype(array.dtype) is None:
        reason = "a pickled numpy array of something else than plain numbers; save it as a tensor"
        skipped.append(Skipped(name, reason))
    else:
        slots.append(TensorSlot.of(name, tensor_of(array)))
