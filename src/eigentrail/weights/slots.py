"""Where one tensor lies: in a file, or in memory."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eigentrail.errors import SourceError
from eigentrail.weights.store import ModuleHint, Skipped

_LARGEST = 2**63 - 1
_MOST_DIMENSIONS = 64


def dtype_name(dtype: torch.dtype) -> str:
    """Name a precision as `TensorEntry.dtype` does.

    Args:
        dtype: a precision of torch.

    Returns:
        Its name without `torch.`, such as "bfloat16".
    """
    return str(dtype).removeprefix("torch.")


def plausible_shape(shape: object) -> bool:
    """Tell whether a shape that a file declares can be that of a tensor at all.

    Args:
        shape: whatever the file says.

    Returns:
        True for a sequence of at most 64 non-negative integers whose product fits 63 bits.
    """
    if not isinstance(shape, (list, tuple)) or len(shape) > _MOST_DIMENSIONS:
        return False
    if not all(type(size) is int and 0 <= size <= _LARGEST for size in shape):
        return False
    return bool(prod(size for size in shape if size) <= _LARGEST)


@dataclass(frozen=True)
class Slot(ABC):
    """The place of one tensor.

    Attributes:
        name: the tensor's name as the source has it.
        shape: its sizes.
        dtype: its stored precision.
        identity: equal for two names of the same numbers; None where the format cannot share numbers.
    """

    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype
    identity: Hashable | None

    @property
    def nbytes(self) -> int:
        """The tensor's size in bytes."""
        return prod(self.shape) * self.dtype.itemsize

    @property
    def stored_as(self) -> str:
        """What the stored precision is called; that of `dtype` unless the format has one of its own."""
        return dtype_name(self.dtype)

    @abstractmethod
    def read(self) -> Tensor:
        """Bring the tensor into memory.

        Returns:
            The tensor as stored.

        Raises:
            SourceError: its numbers cannot be read.
        """

    def read_rows(self, start: int, stop: int) -> Tensor:
        """Bring a part of the tensor along its first axis into memory.

        Args:
            start: the first entry.
            stop: one past the last.

        Returns:
            [stop - start, ...] as stored.
        """
        return self.read()[start:stop]


@dataclass(frozen=True)
class FileSlot(Slot):
    """A tensor that lies uncompressed in a file.

    Attributes:
        path: the file.
        offset: where the first byte lies.
        strides: steps between elements along each dimension, in elements; None: row by row without gaps.
    """

    path: Path
    offset: int
    strides: tuple[int, ...] | None = None

    @property
    def span(self) -> int:
        """The number of bytes from the first to the last element."""
        if prod(self.shape) == 0:
            return 0
        if self.strides is None:
            return self.nbytes
        last = sum((size - 1) * step for size, step in zip(self.shape, self.strides, strict=True))
        return (last + 1) * self.dtype.itemsize

    def read(self) -> Tensor:
        """Bring the tensor into memory; the file is opened for it alone, so that nothing stays mapped.

        Returns:
            The tensor as stored.

        Raises:
            SourceError: the file cannot be read, or ends inside the tensor.
        """
        if self.span == 0:
            return torch.empty(self.shape, dtype=self.dtype)
        try:
            with self.path.open("rb") as file:
                file.seek(self.offset)
                raw = np.fromfile(file, dtype=np.uint8, count=self.span)
        except OSError as error:
            raise SourceError(
                f"{self.path}: cannot read `{self.name}`: {error.strerror or error}."
            ) from error
        if raw.size != self.span:
            raise SourceError(
                f"{self.path}: the file ends inside `{self.name}`; it was cut or changed since it was "
                f"opened: "
                "make or download it again."
            )
        flat = torch.from_numpy(raw).view(self.dtype)
        if self.strides is None:
            return flat.reshape(self.shape)
        return flat.as_strided(self.shape, self.strides)

    def read_rows(self, start: int, stop: int) -> Tensor:
        """Bring a part of the tensor along its first axis into memory, and nothing else.

        Args:
            start: the first entry.
            stop: one past the last.

        Returns:
            [stop - start, ...] as stored.
        """
        start, stop, _ = slice(start, stop).indices(self.shape[0])
        step = prod(self.shape[1:]) if self.strides is None else self.strides[0]
        return replace(
            self,
            shape=(max(stop - start, 0), *self.shape[1:]),
            offset=self.offset + start * step * self.dtype.itemsize,
        ).read()


@dataclass(frozen=True)
class TensorSlot(Slot):
    """A tensor that is in memory already.

    Attributes:
        tensor: the tensor.
    """

    tensor: Tensor

    @classmethod
    def of(cls, name: str, tensor: Tensor) -> TensorSlot:
        """Make the slot of a tensor.

        Two slots are tied if they see the same numbers in memory with the same shape and strides.

        Args:
            name: the tensor's name.
            tensor: the tensor; it is kept, so that its place in memory stays its own.

        Returns:
            The slot.
        """
        shape, strides = tuple(tensor.shape), tuple(tensor.stride())
        place = (str(tensor.device), tensor.data_ptr(), shape, strides, tensor.dtype)
        return cls(name, shape, tensor.dtype, place if tensor.numel() else None, tensor)

    def read(self) -> Tensor:
        """Hand out the tensor itself.

        Returns:
            The tensor, not a copy.
        """
        return self.tensor


@dataclass(frozen=True)
class Listing:
    """What a reader found in one file or object.

    Attributes:
        slots: the tensors.
        skipped: what is there but is no readable tensor.
        ties: names that the source declares to be other names of a tensor: {other name: name in `slots`}.
        stamp: what identifies the content, for the fingerprint.
        config: settings that stand in the file itself, under the keys of `config.json`.
        hints: what the file says about the modules that its tensors belong to.
    """

    slots: list[Slot]
    skipped: list[Skipped] = field(default_factory=list)
    ties: dict[str, str] = field(default_factory=dict)
    stamp: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    hints: dict[str, ModuleHint] = field(default_factory=dict)


def file_stamp(path: Path, header: bytes) -> str:
    """Identify a file's content without reading its numbers.

    Args:
        path: the file.
        header: the part that says what lies where.

    Returns:
        Its name, size, time of change and a hash of the header.
    """
    status = path.stat()
    return f"{path.name}:{status.st_size}:{status.st_mtime_ns}:{hashlib.sha256(header).hexdigest()}"
