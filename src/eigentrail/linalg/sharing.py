"""Work shared by the threads of one process: whoever waits for results takes a part of other work meanwhile.

The work is numpy, LAPACK and torch on arrays that all threads see, which let other threads run; a process would import
torch anew and be sent the arrays (`workers` has processes, for long work in Python). Work may be shared inside shared
work, as blocks of draws are in each of several layers.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import Any, TypeAlias, TypeVar

from eigentrail.linalg.cores import allowed_cores
from eigentrail.linalg.threads import blas_threads

R = TypeVar("R")
_Task: TypeAlias = Callable[[], None]


class _Batch:
    """The tasks of one call of `shared`, and their results."""

    def __init__(self, function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]]) -> None:
        self.futures: list[Future[Any]] = [Future() for _ in tasks]
        self._waiting = deque(range(len(tasks)))
        self._function, self._tasks = function, tasks
        # Each task has its own, with the settings of whoever shares it.
        self._contexts = [copy_context() for _ in tasks]

    def __bool__(self) -> bool:
        return bool(self._waiting)

    @property
    def done(self) -> bool:
        return all(one.done() for one in self.futures)

    @property
    def failed(self) -> bool:
        return any(one.done() and (one.cancelled() or one.exception() is not None) for one in self.futures)

    def take(self) -> _Task:
        number = self._waiting.popleft()
        future = self.futures[number]

        def run() -> None:
            try:
                found = self._contexts[number].run(self._function, *self._tasks[number])
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(found)

        return run

    def give_up(self) -> None:
        """Begin no further task."""
        while self._waiting:
            self.futures[self._waiting.popleft()].cancel()


class _Pool:
    """The batches that threads may take tasks of."""

    def __init__(self) -> None:
        self._batches: deque[_Batch] = deque()
        self._changed = threading.Condition()
        self._closed = False

    def add(self, batch: _Batch) -> None:
        with self._changed:
            # What is shared inside other work is waited for by it: it comes first.
            self._batches.appendleft(batch)
            self._changed.notify_all()

    def finish(self, batch: _Batch) -> None:
        """Work on a batch, and on others while its last tasks are being done elsewhere, until it is done."""
        while (task := self._next(batch)) is not None:
            self._do(task)

    def help(self) -> None:
        """Work on any batch until the pool is closed."""
        while (task := self._next(None)) is not None:
            self._do(task)

    def close(self) -> None:
        with self._changed:
            self._closed = True
            for batch in self._batches:
                batch.give_up()
            self._changed.notify_all()

    def _next(self, own: _Batch | None) -> _Task | None:
        with self._changed:
            while True:
                if own is not None and (self._closed or own.failed):
                    own.give_up()
                if own is not None and own:
                    return own.take()
                if (own is not None and own.done) or (own is None and self._closed):
                    return None
                while self._batches and not self._batches[0]:
                    self._batches.popleft()
                other = next((one for one in self._batches if one), None)
                if other is not None and not self._closed:
                    return other.take()
                self._changed.wait()

    def _do(self, task: _Task) -> None:
        task()
        with self._changed:
            self._changed.notify_all()


_current: ContextVar[_Pool | None] = ContextVar("pool of shared work", default=None)


@contextmanager
def sharing(workers: int) -> Iterator[None]:
    """Let the work of a block be shared by some threads, the calling one among them.

    Args:
        workers: how many; with 1 nothing is shared. Inside a block that shares already that one's threads go on.

    Yields:
        Nothing. At the end, after an error or an interruption too, the threads finish the task they are at and end.
    """
    if workers <= 1 or _current.get() is not None:
        yield
        return
    pool = _Pool()
    threads = [
        threading.Thread(target=pool.help, name=f"eigentrail worker {number}", daemon=True)
        for number in range(1, workers)
    ]
    mark = _current.set(pool)
    try:
        with blas_threads(max(1, allowed_cores() // workers)):
            for one in threads:
                one.start()
            try:
                yield
            finally:
                pool.close()
                for one in threads:
                    one.join()
    finally:
        _current.reset(mark)


def shared(function: Callable[..., R], tasks: Sequence[tuple[Any, ...]]) -> list[R]:
    """Call a function with each of many tuples of arguments, by all threads of the `sharing` around it.

    Args:
        function: it may be called by several threads at once.
        tasks: the arguments of each call, such as a block of draws; they are the same for any number of threads, and
            so are the results then.

    Returns:
        The results, in the order of the tasks.

    Raises:
        BaseException: what the first of the tasks that failed raised; none is begun after that.
    """
    pool = _current.get()
    if pool is None or len(tasks) < 2:
        return [function(*task) for task in tasks]
    batch = _Batch(function, tasks)
    pool.add(batch)
    try:
        pool.finish(batch)
    except BaseException:
        batch.give_up()
        raise
    for future in batch.futures:
        if not future.cancelled() and (error := future.exception()) is not None:
            raise error
    return [future.result() for future in batch.futures]
