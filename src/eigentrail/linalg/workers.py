"""One way to work in parallel: processes with one thread each, a core for each, and the results in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from eigentrail._numbers import whole
from eigentrail.errors import OptionError
from eigentrail.linalg.cores import allowed_cores, usable_cores
from eigentrail.linalg.threads import within_cores

R = TypeVar("R")

#: Seconds of work below which starting processes, each of which imports torch, costs more than they save.
WORTH_PROCESSES = 10.0


def most_workers(jobs: int | None) -> int:
    """Read the number of processes that may work in parallel.

    Args:
        jobs: the number; -1 for one for each core that the system lets this process use; None for one for each that
            also the user's OMP_NUM_THREADS or torch's setting allows.

    Returns:
        At least 1.

    Raises:
        OptionError: there would be none.
    """
    if jobs is None:
        return allowed_cores()
    if jobs == -1:
        return usable_cores()
    if jobs == 0:
        raise OptionError("jobs must be a number of processes, or -1 for one per core")
    return whole("jobs", jobs, 1)


def in_parallel(
    function: Callable[..., R],
    tasks: Sequence[tuple[Any, ...]],
    jobs: int | None = None,
    seconds: float | None = None,
) -> Iterator[R]:
    """Call a function with each of many tuples of arguments, in this process or in several.

    Args:
        function: it is sent to the processes, as are its arguments and results.
        tasks: the arguments of each call, such as a layer and a block of draws.
        jobs: see `most_workers`.
        seconds: what all of them take on one core, where that can be said; for a few seconds no process is started.

    Yields:
        The results, in the order of the tasks. At most twice as many tasks as processes are begun at a time.
    """
    count = min(most_workers(jobs), len(tasks))
    if count <= 1 or (seconds is not None and seconds < WORTH_PROCESSES):
        for task in tasks:
            with within_cores():
                found = function(*task)
            yield found
        return
    from joblib import Parallel, delayed

    calls = (delayed(_with_one_thread)(function, task) for task in tasks)
    yield from Parallel(n_jobs=count, return_as="generator", pre_dispatch="2 * n_jobs", batch_size=1)(calls)


def _with_one_thread(function: Callable[..., R], task: tuple[Any, ...]) -> R:
    with within_cores(1):
        return function(*task)
