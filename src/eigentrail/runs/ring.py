"""The memory between training and disk: copies of weights wait here until they are written."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
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
        # Written once, so that the system gives the memory now and not piece by piece during training.
        self._block = torch.empty(self.size, dtype=torch.uint8).fill_(0)
        self._array = self._block.numpy()
        self._bytes = self._array.data
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

    def copy(self, begin: int, tensor: torch.Tensor, dtype: torch.dtype) -> None:
        """Copy a tensor into a piece.

        Args:
            begin: where the piece begins.
            tensor: the tensor, on any device and with any strides.
            dtype: the precision of the copy.
        """
        nbytes = tensor.numel() * dtype.itemsize
        if tensor.dtype == dtype and tensor.device.type == "cpu":
            # For small tensors numpy's way is several times shorter than torch's; it knows no bfloat16, only its bits.
            tensor = tensor.detach()
            source = (tensor.view(torch.int16) if dtype == torch.bfloat16 else tensor).numpy()
            np.copyto(self._array[begin : begin + nbytes].view(source.dtype).reshape(source.shape), source)
        else:
            self._block[begin : begin + nbytes].view(dtype).view(tensor.shape).copy_(tensor.detach())

    def copy_all(self, begin: int, tensors: Sequence[torch.Tensor], nbytes: int) -> None:
        """Copy several tensors into a piece, one behind the other.

        Args:
            begin: where the piece begins.
            tensors: the tensors, on any devices and with any strides, all of the precision of the copy.
            nbytes: their size in all.
        """
        out = self._block[begin : begin + nbytes].view(tensors[0].dtype)
        devices = {tensor.device for tensor in tensors}
        with torch.no_grad():
            flat = [tensor.reshape(-1) for tensor in tensors]
            if devices == {out.device}:
                torch.cat(flat, out=out)
            elif len(devices) == 1:
                # From a GPU one copy brings them all.
                out.copy_(torch.cat(flat))
            else:
                torch.cat([tensor.to(out.device) for tensor in flat], out=out)

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
