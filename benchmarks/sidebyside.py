"""Two ways to do one thing, timed in turns in one process, so that the machine's moods meet both alike."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """Seconds of one side: medians over the rounds."""

    wall: float
    cpu: float


def once(work: Callable[[], object]) -> Timing:
    """Time one call."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return Timing(time.perf_counter() - wall, time.process_time() - cpu)


def alternate(ours: Callable[[], object], theirs: Callable[[], object], rounds: int) -> tuple[Timing, Timing]:
    """Run both sides in turns after one uncounted round of ours; give the medians of each."""
    ours()
    pairs = [(once(ours), once(theirs)) for _ in range(rounds)]
    sides = zip(*pairs, strict=True)
    first, second = (
        Timing(statistics.median(t.wall for t in side), statistics.median(t.cpu for t in side))
        for side in sides
    )
    return first, second


def row(work: str, against: str, ours: float, theirs: float, goal: str, unit: str = "CPU") -> str:
    """One row of the results' table."""
    return (
        f"| {work} | {against} | {ours:.4g} s | {theirs:.4g} s | **{theirs / ours:.3g}x** | {goal} | {unit} |"
    )


HEADER = "| work | against | eigentrail | other | ratio | goal | clock |\n|---|---|---|---|---|---|---|"


def machine() -> str:
    """The machine in one line."""
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123
            model = next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.machine()
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}"
