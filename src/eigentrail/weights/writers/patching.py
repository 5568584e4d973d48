"""A copy of a file in which the bytes of some tensors are others; all else stays bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO

import torch
from torch import Tensor

from eigentrail.errors import SourceError
from eigentrail.weights.slots import FileSlot

_CHUNK = 2**24


@dataclass(frozen=True)
class Patch:
    """A stretch of a file that is replaced.

    Attributes:
        name: the tensor that lies there.
        offset: its first byte.
        size: the number of bytes.
        content: makes the new bytes, exactly `size` of them, when they are due.
    """

    name: str
    offset: int
    size: int
    content: Callable[[], bytes]


def tensor_bytes(tensor: Tensor) -> bytes:
    """Give a tensor's numbers row by row, as files hold them.

    Args:
        tensor: any shape and precision.

    Returns:
        Its bytes, little-endian.
    """
    return tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()


def slot_patch(slot: FileSlot, name: str, changes: Mapping[str, Tensor]) -> Patch:
    """Plan the replacement of one tensor of a file.

    Args:
        slot: where it lies.
        name: its name in `changes`.
        changes: the new tensors; this one is taken out when its turn comes.

    Returns:
        The patch.
    """

    def content() -> bytes:
        new = checked(changes[name], name, slot.shape, slot.dtype)
        if slot.strides is None:
            return tensor_bytes(new)
        # A view with gaps or turned axes: what lies between its numbers stays.
        whole = FileSlot(
            slot.name, (slot.span // slot.dtype.itemsize,), slot.dtype, None, slot.path, slot.offset
        )
        stretch = whole.read()
        stretch.as_strided(slot.shape, slot.strides).copy_(new)
        return tensor_bytes(stretch)

    return Patch(name, slot.offset, slot.span, content)


def checked(new: Tensor, name: str, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Refuse a tensor that does not fit the place it shall go to.

    Args:
        new: the tensor.
        name: its name.
        shape: the stored shape.
        dtype: the stored precision.

    Returns:
        The tensor.

    Raises:
        SourceError: its shape or precision is another.
    """
    if tuple(new.shape) != tuple(shape) or new.dtype != dtype:
        raise SourceError(
            f"`{name}` is stored as {list(shape)} of {dtype} and cannot be replaced by {list(new.shape)} of "
            f"{new.dtype}; give the stored shape and precision."
        )
    return new


def in_order(patches: Iterable[Patch]) -> list[Patch]:
    """Sort patches by their place.

    Args:
        patches: any patches of one file.

    Returns:
        The patches in the order of the file.

    Raises:
        SourceError: two of them share bytes.
    """
    ordered = sorted((patch for patch in patches if patch.size), key=lambda patch: patch.offset)
    for first, second in pairwise(ordered):
        if first.offset + first.size > second.offset:
            raise SourceError(
                f"`{first.name}` and `{second.name}` share numbers in the file, so they cannot be changed both; "
                "change one of them, or save the weights without shared memory first."
            )
    return ordered


def copy_patched(
    source: Path,
    target: IO[bytes],
    patches: Iterable[Patch],
    start: int = 0,
    seen: Callable[[int, bytes], None] | None = None,
) -> None:
    """Copy a file from a byte on, with some stretches replaced.

    Args:
        source: the file to copy.
        target: where to write.
        patches: what is replaced.
        start: the first byte that is copied.
        seen: called with the source's offset and the bytes that are written there, in the order of the file.

    Raises:
        SourceError: a patch is not as long as what it replaces, or two share bytes.
    """

    def put(place: int, content: bytes) -> None:
        target.write(content)
        if seen is not None:
            seen(place, content)

    with source.open("rb") as file:
        place = start
        file.seek(start)

        def copy_to(end: int | None) -> None:
            nonlocal place
            while end is None or place < end:
                content = file.read(_CHUNK if end is None else min(_CHUNK, end - place))
                if not content:
                    return
                put(place, content)
                place += len(content)

        for patch in in_order(patches):
            copy_to(patch.offset)
            content = patch.content()
            if len(content) != patch.size:
                raise SourceError(f"`{patch.name}` takes {patch.size} bytes in {source}, not {len(content)}.")
            put(place, content)
            place += patch.size
            file.seek(place)
        copy_to(None)
