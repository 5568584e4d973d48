"""Progress on standard error: a bar on a terminal, one plain line an item elsewhere, nothing where nobody asked."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Progress(Protocol):
    """What long work reports to: the item it begins, how many are done and how many there are."""

    def __call__(self, item: str, done: int, total: int) -> None:
        """Report that `item` begins.

        Args:
            item: what is worked on, in words.
            done: how many items are finished.
            total: how many there are.
        """


def silent(item: str, done: int, total: int) -> None:
    """Report nothing.

    Args:
        item: ignored.
        done: ignored.
        total: ignored.
    """


class Throttle:
    """Whether it is time to tell again: a log is read by people.

    Args:
        seconds: the pause between two reports.
        first: True where the first report is due at once.
    """

    #: The pause where none is given, in seconds.
    PAUSE = 2.0

    def __init__(self, seconds: float | None = None, first: bool = True) -> None:
        self._seconds = seconds
        self._last = -math.inf if first else time.monotonic()

    def due(self) -> bool:
        """Tell whether the pause is over; it begins again where it is.

        Returns:
            True at most once in each pause.
        """
        now = time.monotonic()
        if now - self._last < (self.PAUSE if self._seconds is None else self._seconds):
            return False
        self._last = now
        return True


# A terminal's bar has room for a name; what is longer stands above it.
_LONG = 100


@contextmanager
def shown(label: str, show: Progress | bool | None = None) -> Iterator[Progress]:
    """Show progress on standard error for the length of a `with` block.

    Args:
        label: what the work is, in one or two words.
        show: True for a bar or lines, False for nothing, None for a bar where standard error is a terminal; or what to
            report to instead.

    Yields:
        The callable to report to.
    """
    if callable(show):
        yield show
        return
    terminal = sys.stderr.isatty()
    if show is False or (show is None and not terminal):
        yield silent
    elif not terminal:

        def line(item: str, done: int, total: int) -> None:
            if done < total:
                print(f"{label} [{done + 1}/{total}] {item}", file=sys.stderr, flush=True)  # noqa: T201

        yield line
    else:
        from rich.console import Console
        from rich.markup import escape
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = (
            TextColumn(label),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
        )
        with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("", total=None)

            def advance(item: str, done: int, total: int) -> None:
                if len(item) > _LONG:
                    bar.console.print(escape(item), highlight=False)
                bar.update(task, description=escape(item[-60:]), completed=done, total=total)

            yield advance
