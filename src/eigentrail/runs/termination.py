"""SIGTERM, as a batch system sends it before the end: the loop is left as it is for Ctrl-C."""

from __future__ import annotations

import contextlib
import signal
import threading
import weakref
from types import FrameType
from typing import NoReturn


class Termination:
    """Turn SIGTERM into `SystemExit` while runs are recorded, so that what is due can still be written.

    Python's own answer is to end at once. A handler that the program or a trainer has set already stays, and outside
    the main thread, where none can be set, nothing is changed. The last of several recorders gives the signal back.
    """

    def begin(self) -> None:
        """Take over SIGTERM, if nobody else has."""
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, _leave)
        if signal.getsignal(signal.SIGTERM) is _leave:
            _recording.add(self)

    def end(self) -> None:
        """Give it back, if no other recorder needs it."""
        if self not in _recording:
            return
        _recording.discard(self)
        if not _recording and signal.getsignal(signal.SIGTERM) is _leave:
            # Closed by another thread than the one that opened: the handler stays and only ends the program.
            with contextlib.suppress(ValueError):
                signal.signal(signal.SIGTERM, signal.SIG_DFL)


# Weak: a recorder that was forgotten without being closed holds nothing.
_recording: weakref.WeakSet[Termination] = weakref.WeakSet()


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    # A second one ends the process at once; the number is what a shell reports of a process that a signal has ended.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    raise SystemExit(128 + number)
