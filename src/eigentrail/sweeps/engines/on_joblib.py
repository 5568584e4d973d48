"""Units in processes of this machine, started by joblib."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool

from eigentrail._progress import Progress
from eigentrail.linalg.threads import within_cores
from eigentrail.sweeps.engines.contract import Ended, Task
from eigentrail.sweeps.work import State, do_unit


class OnJoblib:
    """Calls in processes of this machine.

    Args:
        jobs: how many.

    Attributes:
        name: what it is called.
    """

    def __init__(self, jobs: int) -> None:
        self.name = f"{jobs} processes"
        self._jobs = jobs

    def run(self, tasks: Sequence[Task], progress: Progress) -> Iterator[Ended]:
        """Call `do_unit` for each unit, see `Engine`.

        Args:
            tasks: the calls.
            progress: not used: what happens within a process is not seen.

        Yields:
            How each call ended, and how those did that a dead process took with it.
        """
        del progress
        from joblib import Parallel, delayed

        open_ones = {task.unit for task in tasks}
        calls = (delayed(_do)(task) for task in tasks)
        pool = Parallel(
            n_jobs=min(self._jobs, len(tasks)),
            return_as="generator_unordered",
            pre_dispatch="n_jobs",
            batch_size=1,
        )
        try:
            for unit, state in pool(calls):
                open_ones.discard(unit)
                yield Ended(unit, state)
        except BrokenProcessPool:
            # One process that is killed takes the others of the pool with it: what they had is taken up again.
            for unit in sorted(open_ones):
                yield Ended(unit, "lost", "a process of this machine was killed, perhaps for its memory")

    def close(self) -> None:
        """Do nothing: joblib ends its processes when they have been idle for a while."""


def _do(task: Task) -> tuple[str, State]:
    with within_cores(task.threads):
        return task.unit, do_unit(task.path, task.unit, task.measure)
