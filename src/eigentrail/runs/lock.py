"""One writer at a time for a run, and whether that writer is still alive."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Any

from eigentrail.errors import DiskError, RunError

try:
    import fcntl
except ImportError:  # no POSIX locks: the process id in the file has to do
    fcntl = None  # type: ignore[assignment]

FILE = ".writer"

# The lock belongs to the open file, which a forked process (a worker that loads data) shares: there it would
# outlive us.
_HELD: set[int] = set()


def _let_go_in_child() -> None:
    # Closing the child's copy leaves the lock with the parent.
    while _HELD:
        os.close(_HELD.pop())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go_in_child)


class WriterLock:
    """Hold the right to write a run.

    The system gives the lock back when the process ends, however it ends, so that a stale one cannot exist; the
    process id in the file serves messages and readers.

    Args:
        folder: the run's folder, which exists.

    Raises:
        RunError: somebody else is writing, or the folder cannot be written.
    """

    def __init__(self, folder: Path):
        self._path = folder / FILE
        try:
            self._descriptor = os.open(
                self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666
            )
        except OSError as error:
            raise DiskError(folder, error) from error
        try:
            self._lock(folder)
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, json.dumps(identity(os.getpid())).encode(), 0)
        except RunError:
            os.close(self._descriptor)
            raise
        except OSError as error:
            os.close(self._descriptor)
            raise DiskError(folder, error) from error
        _HELD.add(self._descriptor)

    def _lock(self, folder: Path) -> None:
        holder = _holder(self._path)
        busy = holder is not None and is_alive(holder) and holder["pid"] != os.getpid()
        if fcntl is not None:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                busy = False
            except BlockingIOError:
                busy = True
            except OSError:
                pass  # a file system without locks: the process id decides
        if busy:
            if holder is not None and holder == identity(os.getpid()):
                raise RunError(
                    f"{folder} is being recorded by this process ({os.getpid()}), in a recorder that was not closed: "
                    "close it, or pass takeover=True to end it and begin here"
                )
            who = f"process {holder['pid']} on {holder['host']}" if holder else "another process"
            raise RunError(
                f"{folder} is being recorded by {who}: end it first, or record into another folder"
            )

    def release(self) -> None:
        """Let others write."""
        if self._descriptor in _HELD:
            _HELD.remove(self._descriptor)
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)


def is_being_written(folder: Path) -> bool:
    """Tell whether a living process records into a run.

    Args:
        folder: the run's folder.

    Returns:
        True while there is such a process; a process of another machine counts as alive.
    """
    holder = _holder(folder / FILE)
    return holder is not None and is_alive(holder)


def is_alive(holder: dict[str, Any]) -> bool:
    """Tell whether a process still runs.

    Args:
        holder: its pid, host and start as the lock file keeps them.

    Returns:
        False if it is known to be gone.
    """
    if holder["host"] != platform.node():
        return True
    try:
        os.kill(holder["pid"], 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass  # it is there and belongs to somebody else
    # The number may have been given to a new process since.
    start = identity(holder["pid"])["start"]
    return start is None or holder["start"] is None or bool(start == holder["start"])


def _holder(path: Path) -> dict[str, Any] | None:
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    good = (
        isinstance(holder, dict) and isinstance(holder.get("pid"), int) and {"host", "start"} <= set(holder)
    )
    return holder if good else None


def identity(pid: int) -> dict[str, Any]:
    """Name a process by its number, its machine and, where the system tells, the moment it began.

    Args:
        pid: its number.

    Returns:
        `pid`, `host` and `start`: None where the system does not tell, -1 for one that has ended.
    """
    start = None
    try:
        # The 22nd field; the second one, the command, may hold spaces and ends with the last bracket.
        fields = (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        )
        # A zombie has ended, though its number is still taken.
        start = -1 if fields[0] in "ZX" else int(fields[19])
    except (OSError, IndexError, ValueError):
        pass
    return {"pid": pid, "host": platform.node(), "start": start}
