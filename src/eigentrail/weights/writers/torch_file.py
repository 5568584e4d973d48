"""Files of `torch.save`: the zip format is copied with some numbers replaced; the format before it is saved anew.

Whatever else a checkpoint holds (the optimiser, settings, other tensors) stays as it is, and no pickle is run.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO

import torch
from torch import Tensor

from eigentrail.errors import SourceError
from eigentrail.weights.nesting import find_state_dict
from eigentrail.weights.writers.patching import Patch, checked, copy_patched

NOTE_MEMBER = "eigentrail.json"
_DESCRIPTOR = 0x08  # the flag of an entry whose checksum stands behind its data


def patch_torch_zip(source: Path, target: IO[bytes], patches: Iterable[Patch], note: str | None) -> None:
    """Copy a file of torch's zip format with some tensors replaced and the checksums put right.

    Args:
        source: the file.
        target: where to write; it can be read and sought in.
        patches: the replaced tensors.
        note: text for a further member of the archive, or None.
    """
    patches = list(patches)
    with zipfile.ZipFile(source) as archive:
        infos = archive.infolist()
        directory = archive.start_dir
    begins = {info.filename: _begin(source, info) for info in infos}
    changed = [
        info
        for info in infos
        if any(
            p.size and begins[info.filename] <= p.offset < begins[info.filename] + info.file_size
            for p in patches
        )
    ]
    sums = dict.fromkeys((info.filename for info in changed), 0)

    def watch(place: int, content: bytes) -> None:
        for info in changed:
            begin = begins[info.filename]
            low, high = max(place, begin), min(place + len(content), begin + info.file_size)
            if low < high:
                sums[info.filename] = zlib.crc32(content[low - place : high - place], sums[info.filename])

    copy_patched(source, target, patches, seen=watch)
    for info in changed:
        _correct(target, source, info, begins[info.filename], directory, sums[info.filename])
    if note is not None:
        folder = infos[0].filename.partition("/")[0]
        with zipfile.ZipFile(target, "a") as archive:
            archive.writestr(zipfile.ZipInfo(f"{folder}/{NOTE_MEMBER}"), note)


def rewrite_torch_legacy(source: Path, target: IO[bytes], changes: Mapping[str, Tensor]) -> None:
    """Save a file of torch's old format anew, in today's format, with some tensors replaced.

    Args:
        source: the file.
        target: where to write.
        changes: the new tensors, by the file's own names.

    Raises:
        SourceError: the file holds more than plain data, which would not survive.
    """
    try:
        content = torch.load(source, map_location="cpu", weights_only=True)
    except Exception as error:
        # torch's reader raises whatever the stream leads it into.
        raise SourceError(
            f"{source}: a file of torch's old format with more than plain data in it is not written again; give an "
            "output that ends in .safetensors."
        ) from error
    found, _ = find_state_dict(content)
    for name in changes:
        old = found[name]
        old.copy_(checked(changes[name], name, tuple(old.shape), old.dtype))
    torch.save(content, target)


def _begin(path: Path, info: zipfile.ZipInfo) -> int:
    with path.open("rb") as file:
        file.seek(info.header_offset + 26)
        name, extra = struct.unpack("<HH", file.read(4))
    return int(info.header_offset + 30 + name + extra)


def _correct(
    target: IO[bytes], source: Path, info: zipfile.ZipInfo, begin: int, directory: int, checksum: int
) -> None:
    """Put the checksum of one member right wherever the archive keeps it."""
    end = target.tell()
    new = struct.pack("<I", checksum)
    if info.flag_bits & _DESCRIPTOR:
        place = begin + info.file_size
        with source.open("rb") as file:
            file.seek(place)
            place += 4 if file.read(4) == b"PK\x07\x08" else 0
    else:
        place = info.header_offset + 14
    target.seek(place)
    target.write(new)
    with source.open("rb") as file:
        file.seek(directory)
        entry = directory
        while (head := file.read(46)).startswith(b"PK\x01\x02"):
            name, extra, comment = struct.unpack("<HHH", head[28:34])
            if file.read(name).decode("utf-8" if info.flag_bits & 0x800 else "cp437") == info.filename:
                target.seek(entry + 16)
                target.write(new)
                break
            entry += 46 + name + extra + comment
            file.seek(entry)
    target.seek(end)
