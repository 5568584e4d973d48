"""What a sweep asks of an engine: to call one function for each of many units, and to tell how each call ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from eigentrail._progress import Progress


@dataclass(frozen=True)
class Task:
    """The arguments of `do_unit`.

    Attributes:
        path: the sweep's folder.
        unit: the unit's name.
        measure: what is measured.
        threads: the processor threads that its training takes.
    """

    path: str
    unit: str
    measure: tuple[str, ...]
    threads: int = 1


@dataclass(frozen=True)
class Ended:
    """How a call ended.

    Attributes:
        unit: the unit's name.
        state: "done"; "busy", where somebody else has the unit; "lost", where the worker was.
        why: what is known of a loss.
    """

    unit: str
    state: Literal["done", "busy", "lost"]
    why: str = ""


class Engine(Protocol):
    """Calls `do_unit` for units, somewhere."""

    name: str

    def run(self, tasks: Sequence[Task], progress: Progress) -> Iterator[Ended]:
        """Call it for each unit.

        Args:
            tasks: the calls.
            progress: told of the work within a unit, where the engine sees it.

        Yields:
            How each call ended, as they end. An `EigentrailError` of a call is raised.
        """
        ...

    def close(self) -> None:
        """Give back what was opened."""
        ...
