"""One writer at a time for a run, and whether that writer is still alive."""

from __future__ import annotations

import errno
import json
import os
import platform
from pathlib import Path
from typing import Any

import filelock

from eigentrail.errors import DiskError, RunError

FILE = ".writer"
#: What is locked: a file of its own, since a locked file cannot be read on every system.
LOCK = ".writer.lock"
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}


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
        self._path, self._held = folder / FILE, True
        # Whichever thread closes the recorder may give it back.
        self._lock = filelock.FileLock(folder / LOCK, timeout=0, thread_local=False)
        holder = _holder(self._path)
        try:
            self._lock.acquire()
        except filelock.Timeout as error:
            raise RunError(_refusal(folder, holder)) from error
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise DiskError(folder, error) from error
            # A file system without locks: the process id decides.
            if holder is not None and is_alive(holder):
                raise RunError(_refusal(folder, holder)) from error
        try:
            self._path.write_text(json.dumps(identity(os.getpid())), encoding="utf-8")
        except OSError as error:
            self._lock.release()
            raise DiskError(folder, error) from error

    def release(self) -> None:
        """Let others write."""
        if self._held:
            self._held = False
            os.truncate(self._path, 0)
            self._lock.release()


def _refusal(folder: Path, holder: dict[str, Any] | None) -> str:
    if holder is not None and holder == identity(os.getpid()):
        return (
            f"{folder} is being recorded by this process ({os.getpid()}), in a recorder that was not closed: "
            "close it, or pass takeover=True to end it and begin here"
        )
    who = f"process {holder['pid']} on {holder['host']}" if holder else "another process"
    return f"{folder} is being recorded by {who}: end it first, or record into another folder"


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
