"""How much disk a recording will take, told before its first step."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from eigentrail.runs.schedules import EveryEpochs
from eigentrail.runs.selection import Source

# A row of metrics: step, epoch and about two numbers.
_METRICS_ROW = 32
# A record's own step and epoch.
_COORDINATES = 16


def bytes_of(sources: Sequence[Source], steps: int, whole: bool = True) -> tuple[int, int]:
    """Estimate the bytes that a recording takes.

    Args:
        sources: what is recorded.
        steps: the number of optimizer steps.
        whole: True if the training ends with them, so that every layer is recorded at the last one.

    Returns:
        The bytes of all records that depend on steps, the initial state included; and the bytes of each
        recorded epoch of the rest.
    """
    by_steps, by_epochs = steps * _METRICS_ROW, 0
    for source in sources:
        row = source.nbytes + _COORDINATES
        count = source.spec.schedule.count(steps)
        if count is None:
            by_steps += row
            every = source.spec.schedule.every if isinstance(source.spec.schedule, EveryEpochs) else 1
            by_epochs += row // every
        else:
            due_last = steps < 1 or source.spec.schedule.count(steps - 1) != count
            by_steps += (count + (whole and not due_last)) * row
    return by_steps, by_epochs


def estimate(
    path: Path, sources: Sequence[Source], steps: int | None, states: int | None = 0, state_bytes: int = 0
) -> tuple[str, int]:
    """Say how much disk a recording will take and how much is free.

    Args:
        path: the run's folder, which exists.
        sources: what is recorded.
        steps: the planned number of optimizer steps, if known.
        states: how many full states are kept in these steps; None if that depends on epochs.
        state_bytes: the size of one.

    Returns:
        One line for people; and by how many bytes the disk is too small, 0 if it is not or the plan is unknown.
    """
    free = shutil.disk_usage(path).free
    numbers = sum(source.nbytes for source in sources)
    what = f"recording {len(sources)} tensor{'s' if len(sources) != 1 else ''} ({human(numbers)} in all) to {path}"
    by_steps, by_epochs = bytes_of(sources, 1000 if steps is None else steps, whole=steps is not None)
    by_steps += (states or 0) * state_bytes
    by_epochs += state_bytes if states is None else 0
    span = "the first 1,000 steps" if steps is None else f"{steps:,} steps"
    epochs = f" and {human(by_epochs)} an epoch" if by_epochs else ""
    line = f"{what}: about {human(by_steps)} for {span}{epochs}; {human(free)} of disk are free"
    return line, max(0, by_steps - free) if steps is not None else 0


def human(nbytes: int) -> str:
    """Write a number of bytes as people read it.

    Args:
        nbytes: the bytes.

    Returns:
        For example "33.6 MB" (decimal units).
    """
    size = float(nbytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
