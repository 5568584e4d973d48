"""Who may write a run, and who is still alive."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from eigentrail.errors import RunError
from eigentrail.runs import lock
from eigentrail.runs.lock import WriterLock, is_alive, is_being_written


def test_one_at_a_time(tmp_path: Path) -> None:
    first = WriterLock(tmp_path)
    assert is_being_written(tmp_path)
    with pytest.raises(RunError, match=rf"is being recorded by this process \({os.getpid()}\)"):
        WriterLock(tmp_path)
    assert is_being_written(tmp_path)
    first.release()
    first.release()
    assert not is_being_written(tmp_path)
    WriterLock(tmp_path).release()


_HOLDER = """
import os, signal, sys
from pathlib import Path
from eigentrail.runs.lock import WriterLock
held = WriterLock(Path(sys.argv[1]))
child = os.fork()
if child == 0:
    signal.pause()
print(child, flush=True)
signal.pause()
"""


def test_a_forked_worker_does_not_keep_it(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    child = None
    try:
        assert holder.stdout is not None
        child = int(holder.stdout.readline())
        with pytest.raises(RunError, match=f"process {holder.pid} "):
            WriterLock(tmp_path)
        holder.kill()
        holder.wait()
        os.kill(child, 0)
        WriterLock(tmp_path).release()
    finally:
        holder.kill()
        if child is not None:
            # It holds the pipe open.
            os.kill(child, signal.SIGKILL)
        holder.communicate()


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_where_the_file_system_has_no_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(descriptor: int, how: int) -> None:
        raise OSError(code, "no locks here")

    monkeypatch.setattr(fcntl, "flock", refuse)
    parent = lock.identity(os.getppid())
    (tmp_path / lock.FILE).write_text(json.dumps(parent))
    with pytest.raises(RunError, match=f"process {os.getppid()} "):
        WriterLock(tmp_path)
    (tmp_path / lock.FILE).write_text(json.dumps(parent | {"start": 1}))
    held = WriterLock(tmp_path)
    assert is_being_written(tmp_path)
    held.release()
    assert not is_being_written(tmp_path)


def test_who_is_alive() -> None:
    me = lock.identity(os.getpid())
    assert is_alive(me)
    # The same number, given to another process later.
    assert not is_alive(me | {"start": me["start"] - 1})
    assert is_alive(me | {"host": "elsewhere", "pid": 10**9})
    assert not is_alive(me | {"pid": 2**22 + 1})
    child = os.fork()
    if child == 0:
        signal.pause()
        os._exit(0)
    known = lock.identity(child)
    assert is_alive(known)
    os.kill(child, signal.SIGKILL)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    # Ended, and its parent has not yet asked for it.
    assert not is_alive(known)
    os.waitpid(child, 0)
    assert not is_alive(known)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": "x"}', '{"pid": 1}'])
def test_files_that_say_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / lock.FILE).write_text(content)
    assert not is_being_written(tmp_path)
    WriterLock(tmp_path).release()
