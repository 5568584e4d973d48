"""The memory between training and disk: copies of weights wait here until they are written."""

from __future__ import annotations

import torch

_ALIGN = 64


class Ring:
    """A block of memory, allocated once, whose pieces are taken and given back in the same order.

    One thread takes (`try_take`), one gives back (`release`); positions only grow, so neither needs a lock.

    Args:
        nbytes: the size of the block.
    """

    def __init__(self, nbytes: int):
        self.size = -(-nbytes // _ALIGN) * _ALIGN
        self._block = torch.empty(self.size, dtype=torch.uint8)
        self._bytes = self._block.numpy().data
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
        skip = self.size - begin if begin + room > self.size else 0
        if skip and not self.used:
            # Nothing is waiting: going on from the start costs no room.
            self._tail += skip
        if self._head + skip + room - self._tail > self.size:
            return None
        self._head += skip + room
        return (begin + skip) % self.size

    def view(self, begin: int, shape: torch.Size | tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        """See a piece as a tensor.

        Args:
            begin: where it begins.
            shape: the tensor's shape.
            dtype: the tensor's precision.

        Returns:
            A tensor over the ring's memory.
        """
        nbytes = dtype.itemsize
        for size in shape:
            nbytes *= size
        return self._block[begin : begin + nbytes].view(dtype).view(shape)

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
