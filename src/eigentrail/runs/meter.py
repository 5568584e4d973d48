"""What recording costs the loop that it records."""

from __future__ import annotations

import time
from typing import TypeAlias

from eigentrail.runs.manifest import Overhead

Moment: TypeAlias = "tuple[float, float]"


def moment() -> Moment:
    """Note a moment.

    Returns:
        The wall clock and the CPU time of this thread, in seconds.
    """
    return time.perf_counter(), time.thread_time()


class Meter:
    """Add up the time inside the recorder, and that of the loop around it.

    The loop is timed from its first step that is told to its last, so that what the first one costs lies outside.

    Attributes:
        told: how many steps were told.
    """

    def __init__(self) -> None:
        self.told = 0
        self._wall = self._cpu = 0.0
        self._first = self._latest = (0.0, 0.0)
        self._writer = 0.0

    def count(self, begin: Moment, steps: int = 1, share: float = 1.0, writer: float = 0.0) -> None:
        """Count steps that were told.

        Args:
            begin: the moment at which the recorder was entered.
            steps: how many; 0 for what belongs to a step that was counted.
            share: the recorder's share of what has passed since, where several recorders worked.
            writer: the seconds of CPU that its writer's thread has taken so far.
        """
        now = moment()
        if self.told or not steps:
            self._wall += share * (now[0] - begin[0])
            self._cpu += share * (now[1] - begin[1])
        if steps:
            self._latest = (now[0], time.process_time())
            if not self.told:
                self._first, self._writer = self._latest, writer
        self.told += steps

    def overhead(self, waited: float, writer: float) -> Overhead:
        """Say what recording has cost so far.

        Args:
            waited: the seconds that the loop waited for the disk.
            writer: the seconds of CPU that the writer's thread has taken.

        Returns:
            The cost; its share is known from the second step on.
        """
        known = self.told > 1
        loop, loop_cpu = ((self._latest[i] - self._first[i] if known else 0.0) for i in range(2))
        cpu = self._cpu + max(0.0, writer - self._writer)
        rest = loop_cpu - cpu
        return Overhead(
            steps=self.told,
            loop_seconds=loop,
            recorder_seconds=self._wall,
            waiting_seconds=waited,
            cpu_seconds=cpu,
            loop_cpu_seconds=loop_cpu,
            fraction=cpu / rest if known and rest > 0 else None,
        )
