"""How many threads BLAS and torch take: one for small matrices, and never more than the process may use.

More threads than cores wait for each other in loops that burn what they wait for: with 8 threads on 2 cores a matrix of
1024 x 1024 takes a hundred times as long as with one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from threadpoolctl import ThreadpoolController

from eigentrail.linalg.cores import allowed_cores, usable_cores

#: Up to this order two BLAS threads take longer than one.
ONE_THREAD = 1024


@contextmanager
def threads_for(order: int, side_by_side: int = 1) -> Iterator[None]:
    """Give BLAS the threads that suit decompositions, for the length of a block.

    Args:
        order: of the symmetric matrices, or the short side of the others.
        side_by_side: how many of them are worked on at once in threads of this process.

    Yields:
        Nothing.
    """
    with blas_threads(1 if order <= ONE_THREAD else max(1, allowed_cores() // side_by_side)):
        yield


@contextmanager
def blas_threads(most: int) -> Iterator[None]:
    """Let BLAS use at most so many threads for the length of a block; where the user set fewer, that stays.

    Args:
        most: at least 1.

    Yields:
        Nothing.
    """
    before = [(one, one.num_threads) for one in _libraries()]
    changed = [(one, count) for one, count in before if count is not None and count > most]
    try:
        for one, _ in changed:
            one.set_num_threads(most)
        yield
    finally:
        for one, count in changed:
            one.set_num_threads(count)


@contextmanager
def within_cores(most: int | None = None) -> Iterator[None]:
    """Keep BLAS and torch within the cores that this process may use, for the length of a block.

    Args:
        most: how many these are; None for `usable_cores`.

    Yields:
        Nothing.
    """
    cores = usable_cores() if most is None else most
    with ExitStack() as stack:
        stack.enter_context(blas_threads(cores))
        torch = sys.modules.get("torch")
        if torch is not None and torch.get_num_threads() > cores:
            stack.callback(torch.set_num_threads, torch.get_num_threads())
            torch.set_num_threads(cores)
        yield


_known: dict[int, list[Any]] = {}


def _libraries() -> list[Any]:
    """Find the BLAS libraries of this process; again only after more modules were imported."""
    loaded = len(sys.modules)
    if loaded not in _known:
        _known.clear()
        _known[loaded] = list(ThreadpoolController().select(user_api="blas").lib_controllers)
    return _known[loaded]
