"""One unit after the other, in this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from eigentrail._progress import Progress
from eigentrail.sweeps.engines.contract import Ended, Task
from eigentrail.sweeps.work import do_unit


class InProcess:
    """Calls in this process.

    Attributes:
        name: what it is called.
    """

    name = "this process"

    def run(self, tasks: Sequence[Task], progress: Progress) -> Iterator[Ended]:
        """Call `do_unit` for each unit, see `Engine`.

        Args:
            tasks: the calls.
            progress: told of the work within a unit.

        Yields:
            How each call ended.
        """
        for task in tasks:
            yield Ended(task.unit, do_unit(task.path, task.unit, task.measure, progress))

    def close(self) -> None:
        """Do nothing: nothing was opened."""
