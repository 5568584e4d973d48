"""The memory between training and disk: copies of weights wait here until they are written."""

from __future__ import annotations

import ctypes
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

_ALIGN = 64
# Subclasses may keep their numbers elsewhere.
_PLAIN = (torch.nn.Parameter, torch.Tensor)


@dataclass(frozen=True)
class _Flat:
    """Many small tensors as they lie in memory, for as long as they lie there."""

    tensors: Sequence[torch.Tensor]
    addresses: list[int]
    views: list[np.ndarray[Any, Any]]

    @classmethod
    def of(cls, tensors: Sequence[torch.Tensor]) -> _Flat | None:
        if not all(map(_is_plain, tensors)):
            return None
        views = [tensor.detach().view(-1) for tensor in tensors]
        # numpy knows no bfloat16, only its bits.
        bits = [view.view(torch.int16) if view.dtype == torch.bfloat16 else view for view in views]
        return cls(tensors, [tensor.data_ptr() for tensor in tensors], [view.numpy() for view in bits])

    def holds(self, tensors: Sequence[torch.Tensor]) -> bool:
        """Whether the tensors are these still, and where they were."""
        return (
            len(tensors) == len(self.tensors)
            and all(map(operator.is_, tensors, self.tensors))
            and [tensor.data_ptr() for tensor in tensors] == self.addresses
            and all(map(_is_plain, tensors))
        )


def _is_plain(tensor: torch.Tensor) -> bool:
    """Tell whether the numbers of a tensor lie in memory one behind the other, as they are."""
    return (
        type(tensor) in _PLAIN
        and tensor.is_cpu
        and tensor.layout is torch.strided
        and tensor.is_contiguous()
        and not tensor.is_neg()
    )


class Ring:
    """A block of memory, allocated once, whose pieces are taken and given back in the same order.

    One thread takes (`try_take`), one gives back (`release`); positions only grow, so neither needs a lock.

    Args:
        nbytes: the size of the block.
    """

    def __init__(self, nbytes: int):
        self.size = -(-nbytes // _ALIGN) * _ALIGN
        # Written once, so that the system gives the memory now and not piece by piece during training.
        self._block = torch.empty(self.size, dtype=torch.uint8).fill_(0)
        self._array = self._block.numpy()
        self._bytes = self._array.data
        self._address = self._block.data_ptr()
        self._flat: dict[str, _Flat | None] = {}
        self._head = 0
        self._tail = 0

    @property
    def head(self) -> int:
        """The position behind the last taken piece; what `release` takes."""
        return self._head

    @property
    def used(self) -> int:
        """The bytes that are taken."""
        return self._head - self._tail

    def try_take(self, nbytes: int) -> int | None:
        """Take the next piece.

        Args:
            nbytes: its size, at most the ring's.

        Returns:
            Where it begins, or None while there is no room.
        """
        begin = self._head % self.size
        room = -(-nbytes // _ALIGN) * _ALIGN
        empty = not self.used
        skip = self.size - begin if begin + room > self.size or (empty and begin) else 0
        if empty:
            # Nothing is waiting: going on from the start costs no room, and its memory is in the caches.
            self._tail += skip
        if self._head + skip + room - self._tail > self.size:
            return None
        self._head += skip + room
        return (begin + skip) % self.size

    def copy(self, begin: int, tensor: torch.Tensor, dtype: torch.dtype) -> None:
        """Copy a tensor into a piece.

        Args:
            begin: where the piece begins.
            tensor: the tensor, on any device and with any strides.
            dtype: the precision of the copy.
        """
        nbytes = tensor.numel() * dtype.itemsize
        if tensor.dtype == dtype and _is_plain(tensor) and (address := tensor.data_ptr()):
            # Training leaves little of Python in the processor's caches: the fewer calls, the better.
            ctypes.memmove(self._address + begin, address, nbytes)
        else:
            self._block[begin : begin + nbytes].view(dtype).view(tensor.shape).copy_(tensor.detach())

    def copy_all(self, begin: int, tensors: Sequence[torch.Tensor], nbytes: int, name: str) -> None:
        """Copy several small tensors into a piece, one behind the other.

        Args:
            begin: where the piece begins.
            tensors: the tensors, on any devices and with any strides, all of the precision of the copy.
            nbytes: their size in all.
            name: what they are called together: where they are is remembered.
        """
        flat = self._flat.get(name)
        if flat is None or not flat.holds(tensors):
            flat = self._flat[name] = _Flat.of(tensors)
        if flat is not None:
            piece = self._array[begin : begin + nbytes]
            np.concatenate(flat.views, out=piece.view(flat.views[0].dtype))
            return
        out = self._block[begin : begin + nbytes].view(tensors[0].dtype)
        devices = {tensor.device for tensor in tensors}
        with torch.no_grad():
            rows = [tensor.reshape(-1) for tensor in tensors]
            if devices == {out.device}:
                torch.cat(rows, out=out)
            elif len(devices) == 1:
                # From a GPU one copy brings them all.
                out.copy_(torch.cat(rows))
            else:
                torch.cat([tensor.to(out.device) for tensor in rows], out=out)

    def bytes(self, begin: int, nbytes: int) -> memoryview:
        """See a piece as bytes.

        Args:
            begin: where it begins.
            nbytes: its size.

        Returns:
            The bytes, not copied.
        """
        return self._bytes[begin : begin + nbytes]

    def release(self, head: int) -> None:
        """Give back all pieces up to a position.

        Args:
            head: a former `head`.
        """
        self._tail = max(self._tail, head)
