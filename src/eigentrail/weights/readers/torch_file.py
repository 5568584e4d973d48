"""Files of `torch.save`, in the zip format and in the stream that was written before 2020.

Neither is run: the pickle inside is read by a machine of our own (`pickle_machine`), which notes where each tensor
lies and puts inert stand-ins for everything else. No number is read before it is asked for.
"""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from math import prod
from pathlib import Path
from typing import IO, Any

from eigentrail.errors import SourceError
from eigentrail.weights.nesting import find_state_dict
from eigentrail.weights.readers.file_part import FilePart
from eigentrail.weights.readers.inert import InertArray
from eigentrail.weights.readers.npz_file import tensor_of, torch_dtype
from eigentrail.weights.readers.pickle_machine import BROKEN, PickleMachine
from eigentrail.weights.readers.stand_ins import Storage, StoredTensor, Unreadable
from eigentrail.weights.readers.torch_globals import REBUILD, storage_of
from eigentrail.weights.slots import FileSlot, Listing, Slot, TensorSlot, file_stamp
from eigentrail.weights.store import Skipped

_STATE_DICT = "torch.save(model.state_dict(), path)"
_LARGEST_PICKLE = 2**30
_LEGACY_MAGIC, _LEGACY_VERSION = 0x1950A86A20F9469CFC6C, 1001


@dataclass(frozen=True)
class _Room:
    """Where the numbers of a storage lie in the file: the first byte, and how many there are."""

    begin: int
    size: int


def list_torch_zip(path: Path, begin: int = 0, size: int | None = None) -> Listing:
    """List the tensors of a file of `torch.save`.

    Args:
        path: the file.
        begin: where what `torch.save` wrote begins in it.
        size: how long that is; None for all that follows.

    Returns:
        The tensors of the state dict inside, ties by shared storage, and the stamp.

    Raises:
        SourceError: the file is damaged, or holds no tensor.
    """
    members = _members(path, begin, size)
    pickles = [name for name in members if name.rpartition("/")[2] == "data.pkl"]
    if len(pickles) != 1:
        raise SourceError(
            f"{path}: the archive holds {len(pickles)} pickles `data.pkl`, not one; make it again."
        )
    folder = pickles[0].removesuffix("data.pkl")
    place = members[pickles[0]]
    if place.size > _LARGEST_PICKLE:
        raise SourceError(
            f"{path}: its description of tensors is {place.size} bytes long, which none is; {_STATE_DICT}."
        )
    with path.open("rb") as file:
        file.seek(place.begin)
        content = file.read(place.size)
    checkpoint, replaced = _run(path, BytesIO(content), Counter())
    rooms = {
        name.removeprefix(f"{folder}data/"): room for name, room in members.items() if name.startswith(folder)
    }
    return _listing(
        path, checkpoint, rooms, replaced, file_stamp(path, repr(sorted(members.items())).encode())
    )


def list_torch_legacy(path: Path) -> Listing:
    """List the tensors of a file that torch wrote before its zip format of 2020: pickles, then the numbers.

    Args:
        path: the file.

    Returns:
        The tensors of the state dict inside, ties by shared storage, and the stamp.

    Raises:
        SourceError: the file is damaged, or holds no tensor.
    """
    replaced: Counter[str] = Counter()
    storages: dict[str, Storage] = {}

    def remembered(told: Any) -> Any:
        found = storage_of(told)
        if isinstance(found, Storage):
            storages[found.key] = found
        return found

    try:
        with path.open("rb") as file:
            head = [_run(path, file, replaced)[0] for _ in range(3)]
            if head[:2] != [_LEGACY_MAGIC, _LEGACY_VERSION]:
                raise SourceError(
                    f"{path}: the file does not begin as torch's files do; make or download it again."
                )
            if isinstance(head[2], Mapping) and head[2].get("little_endian") is False:
                raise SourceError(
                    f"{path}: its numbers are stored in the other byte order; save it as safetensors."
                )
            checkpoint, _ = _run(path, file, replaced, remembered)
            keys, _ = _run(path, file, replaced)
            rooms = _rooms(path, file, keys, storages)
            file.seek(0)
            stamp = file_stamp(path, file.read(2**16))
    except OSError as error:
        raise SourceError(f"{path}: cannot read the file: {error.strerror or error}.") from error
    return _listing(path, checkpoint, rooms, replaced, stamp)


def _rooms(path: Path, file: IO[bytes], keys: Any, storages: Mapping[str, Storage]) -> dict[str, _Room]:
    """Step over the numbers of a legacy file: each storage is its count and its numbers."""
    rooms: dict[str, _Room] = {}
    size = path.stat().st_size
    for key in keys if isinstance(keys, list) else []:
        raw = file.read(8)
        storage = storages.get(str(key))
        if len(raw) < 8 or storage is None:
            break
        room = _Room(file.tell(), int.from_bytes(raw, "little", signed=True) * storage.dtype.itemsize)
        if room.size < 0 or room.begin + room.size > size:
            raise SourceError(f"{path}: the checkpoint is cut inside its numbers; make or download it again.")
        rooms[str(key)] = room
        file.seek(room.size, 1)
    return rooms


def _members(path: Path, first: int, size: int | None) -> dict[str, _Room]:
    # Find where each member lies, from the archive's own directory, refusing what torch never writes.
    try:
        with path.open("rb") as whole:
            file = FilePart(whole, first, path.stat().st_size - first if size is None else size)
            archive = zipfile.ZipFile(file)
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
                members[info.filename] = _Room(first + begin, info.file_size)
            return members
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError, OverflowError) as error:
        raise SourceError(
            f"{path}: the archive is cut or damaged ({error}); make or download it again."
        ) from error


def _check_record(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo, seen: set[str]) -> None:
    # Refuse what torch never writes: its own reader, which others will use, may end the process there.
    again = "make or download it again"
    # TorchScript packs the text of its programs, which is never looked at.
    text = "/code/" in f"/{info.filename}" and not info.filename.endswith("data.pkl")
    if (info.compress_type != zipfile.ZIP_STORED and not text) or info.flag_bits & 1:
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


def _run(
    path: Path, file: IO[bytes], replaced: Counter[str], persistent: Any = storage_of
) -> tuple[Any, Counter[str]]:
    machine = PickleMachine(file, REBUILD, persistent)
    try:
        found = machine.run()
    except BROKEN as error:
        what = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise SourceError(
            f"{path}: the checkpoint is cut or damaged ({what}); make or download it again."
        ) from error
    replaced.update(machine.replaced)
    return found, replaced


def _listing(
    path: Path, checkpoint: Any, rooms: Mapping[str, _Room], replaced: Counter[str], stamp: str
) -> Listing:
    found, skipped = _state_dict(path, checkpoint)
    slots: list[Slot] = []
    for name, value in found.items():
        if isinstance(value, InertArray):
            _add_array(name, value, slots, skipped)
        elif isinstance(value, Unreadable):
            skipped.append(Skipped(name, value.reason))
        else:
            place = _place(path, name, value, rooms)
            (slots if isinstance(place, Slot) else skipped).append(place)  # type: ignore[arg-type]
    if replaced:
        kinds = sorted(replaced)
        shown = ", ".join(kinds[:8]) + (f" and {len(kinds) - 8} more" if len(kinds) > 8 else "")
        if not slots and not skipped:
            raise SourceError(
                f"{path}: the file holds Python objects ({shown}), which are not rebuilt and whose code was not run, "
                f"and no tensor. Save the weights alone: {_STATE_DICT}."
            )
        reason = f"not rebuilt, and none of their code was run: objects of {shown}"
        skipped.append(Skipped("Python objects", reason))
    return Listing(slots, skipped, {}, stamp)


def _state_dict(path: Path, checkpoint: object) -> tuple[dict[str, Any], list[Skipped]]:
    if isinstance(checkpoint, (StoredTensor, Unreadable)):
        return {"weight": checkpoint}, []
    if isinstance(checkpoint, (list, tuple)):
        checkpoint = dict(enumerate(checkpoint))
    if not isinstance(checkpoint, Mapping):
        raise SourceError(
            f"{path}: the file holds a {type(checkpoint).__name__} and no weights; save {_STATE_DICT}."
        )
    return find_state_dict(checkpoint)


def _place(path: Path, name: str, value: StoredTensor, rooms: Mapping[str, _Room]) -> Slot | Skipped:
    # Translate a tensor to the bytes of the file where its numbers lie.
    room = rooms.get(value.storage.key)
    begin = room.begin if room else 0
    if prod(value.shape) == 0:
        return FileSlot(name, value.shape, value.dtype, None, path, 0)
    if value.dtype.is_complex and value.dtype.itemsize < 8:
        return Skipped(name, f"stored as {value.dtype}, which is not read")
    if room is None:
        return Skipped(name, f"its numbers are not in the file; make or download {path.name} again")
    item = value.dtype.itemsize
    first = begin + value.offset * item
    if prod(value.shape) * item > room.size:
        return Skipped(name, f"its shape {list(value.shape)} repeats fewer stored numbers (an expanded view)")
    if first + value.last * item > begin + room.size:
        return Skipped(name, f"reaches beyond its storage in the file; make or download {path.name} again")
    identity = (path, first, value.shape, value.strides, value.dtype)
    strides = None if value.contiguous else value.strides
    return FileSlot(name, value.shape, value.dtype, identity, path, first, strides)


def _add_array(name: str, value: InertArray, slots: list[Slot], skipped: list[Skipped]) -> None:
    array = value.array()
    if array is None or torch_dtype(array.dtype) is None:
        reason = "a pickled numpy array of something else than plain numbers; save it as a tensor"
        skipped.append(Skipped(name, reason))
    else:
        slots.append(TensorSlot.of(name, tensor_of(array)))
