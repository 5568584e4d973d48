"""Stand-ins for what training scripts leave in checkpoints besides tensors.

A best score as numpy.float64, an array, the arguments of the command line or a path are harmless. Here each of
their names stands for a few lines that keep the data and can do nothing else, so that not even numpy's own unpickling
code meets the bytes of a stranger.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_NUMBERS = "?bhilqBHILQefd"


class InertDtype:
    """Stands for `numpy.dtype`.

    Args:
        code: numpy's code of the precision.
        rest: flags that mean nothing here.
    """

    def __init__(self, code: Any = None, *rest: Any) -> None:
        self.code = code
        self.order = "="

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, tuple) and len(state) > 1 and state[1] in {"<", ">", "|", "="}:
            self.order = state[1]

    def plain(self) -> np.dtype[Any] | None:
        """Find the precision meant.

        Returns:
            The precision, or None unless it is one of numpy's plain numbers.
        """
        if not isinstance(self.code, str) or len(self.code) > 3:
            return None
        try:
            dtype = np.dtype(self.code)
            dtype = dtype.newbyteorder(">") if self.order == ">" else dtype
        except (TypeError, ValueError):
            return None
        return dtype if dtype.char in _NUMBERS else None


class InertArray:
    """Stands for `numpy.ndarray`; keeps the numbers of a plain array.

    Args:
        rest: what numpy starts from, which means nothing here.
    """

    def __init__(self, *rest: Any) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def array(self) -> NDArray[Any] | None:
        """Make the array.

        Returns:
            The array, or None where its state is not that of an array of plain numbers.
        """
        match self.state:
            case (int(), tuple() as shape, InertDtype() as kind, bool() | int() as fortran, bytes() as data):
                dtype = kind.plain()
            case _:
                return None
        if dtype is None:
            return None
        try:
            return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")
        except (ValueError, TypeError):
            return None


class InertRecord:
    """Stands for objects that only carry settings: `argparse.Namespace`, paths.

    Args:
        rest: what it was made of.
    """

    def __init__(self, *rest: Any) -> None:
        self.rest = rest

    def __setstate__(self, state: Any) -> None:
        self.state = state


def inert_scalar(*rest: Any) -> None:
    """Stand for one number of numpy, which is never a weight.

    Args:
        rest: its precision and bytes.
    """


def inert_array(*rest: Any) -> InertArray:
    """Stand for the function that begins every pickled array.

    Args:
        rest: its class and what it starts from.

    Returns:
        An array without numbers yet.
    """
    return InertArray()
