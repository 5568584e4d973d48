"""How many threads BLAS and torch take: one for small matrices, and never more than the process may use.

More threads than cores wait for each other in loops that burn what they wait for: with 8 threads on 2 cores a matrix of
1024 x 1024 takes a hundred times as long as with one.
"""

from __future__ import annotations

import sys
import threading
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
    limit = _Limit(most)
    with _lock:
        _limits.append(limit)
        _limited()
    try:
        yield
    finally:
        with _lock:
            _limits.remove(limit)
            _limited()


class _Limit:
    """A limit in force; two of the same number are two."""

    def __init__(self, most: int) -> None:
        self.most = most


# The numbers of threads are the whole process's: those who limit them at the same time must not undo each other's.
_lock = threading.Lock()
_limits: list[_Limit] = []
_own: dict[str, int] = {}


def _limited() -> None:
    """Bring all libraries to the smallest limit in force; to what they had before where there is none."""
    most = min((one.most for one in _limits), default=None)
    for library in _libraries():
        key = library.filepath
        now = library.num_threads
        if now is None:
            continue
        wanted = _own.pop(key, now) if most is None else min(most, _own.setdefault(key, now))
        if wanted != now:
            library.set_num_threads(wanted)


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
