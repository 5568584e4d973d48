"""Matrices in half precision, given out in float32 a few rows at a time: a large one is never held in float32."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import UInt16

if TYPE_CHECKING:
    import torch


class Halves:
    """A matrix, or a pool of matrices, of bfloat16 or float16 numbers.

    Slices are numpy arrays in float32, made anew; a number as the index of a pool gives a matrix in half precision
    again. `np.asarray` gives all entries in float32.

    Args:
        tensor: [N, M] or [k, N, M] bfloat16 or float16, on the CPU.
        factor: a power of two that the numbers are multiplied by as they are given out.
        ends: the smallest and the largest number of the tensor, where they are known.
    """

    dtype = np.dtype(np.float32)

    def __init__(
        self, tensor: torch.Tensor, factor: float = 1.0, ends: tuple[float, float] | None = None
    ) -> None:
        self._tensor = tensor
        self._factor = factor
        self._ends = ends

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes."""
        return tuple(self._tensor.shape)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self._tensor.ndim

    @property
    def size(self) -> int:
        """The number of entries."""
        return self._tensor.numel()

    def __len__(self) -> int:
        return len(self._tensor)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, int | np.integer) and self.ndim == 3:
            return Halves(self._tensor[int(index)], self._factor, self._ends if len(self) == 1 else None)
        if isinstance(index, tuple):
            import torch

            index = tuple(torch.from_numpy(one) if isinstance(one, np.ndarray) else one for one in index)
        found = self._tensor[index].float().numpy()
        if self._factor != 1.0:
            found *= np.float32(self._factor)
        return found

    def __iter__(self) -> Iterator[Any]:
        return (self[place] for place in range(len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """Give all entries."""
        del copy
        return self[...].astype(dtype or self.dtype, copy=False)

    def astype(self, dtype: Any) -> Any:
        """Give all entries in another precision.

        Args:
            dtype: numpy's.

        Returns:
            A new array.
        """
        return self.__array__(dtype)

    def min(self) -> float:
        """Find the smallest entry; NaN where there is one."""
        return self._found_ends()[0] * self._factor

    def max(self) -> float:
        """Find the largest entry; NaN where there is one."""
        return self._found_ends()[1] * self._factor

    def swapaxes(self, first: int, second: int) -> Halves:
        """Swap two axes.

        Args:
            first: one.
            second: the other.

        Returns:
            A view.
        """
        return Halves(self._tensor.transpose(first, second), self._factor, self._ends)

    def ravelled(self) -> Halves:
        """Put all entries one behind the other in the order of their places in memory.

        Returns:
            [size], a view where there are no gaps.
        """
        tensor = self._tensor
        steps = tensor.stride()
        order = sorted(range(tensor.ndim), key=lambda axis: -steps[axis])
        return Halves(tensor.permute(order).reshape(-1), self._factor, self._ends)

    def scaled(self, factor: float) -> Halves:
        """Multiply by a power of two.

        Args:
            factor: it.

        Returns:
            The same numbers in memory.
        """
        return Halves(self._tensor, self._factor * factor, self._ends)

    def bits(self) -> UInt16[np.ndarray, "..."]:
        """See the numbers as words of 16 bits, the sign first.

        Returns:
            The words, not copied.
        """
        import torch

        return self._tensor.view(torch.int16).numpy().view(np.uint16)

    def with_bits(self, bits: UInt16[np.ndarray, "..."]) -> Halves:
        """Make a matrix of the same precision.

        Args:
            bits: as `bits` gives them.

        Returns:
            The numbers that they stand for.
        """
        import torch

        return Halves(torch.from_numpy(bits.view(np.int16)).view(self._tensor.dtype), self._factor)

    def _found_ends(self) -> tuple[float, float]:
        if self._ends is None:
            low, high = self._tensor.aminmax()
            self._ends = (float(low), float(high))
        return self._ends


def is_half(a: Any) -> bool:
    """Tell whether a matrix is kept in half precision.

    Args:
        a: numpy's or `Halves`, which stands in for numpy's wherever a matrix is read by slices.

    Returns:
        True for `Halves`.
    """
    return isinstance(a, Halves)
