"""Who does which unit of a sweep: claims that are atomic on any file system, and outlive neither process nor machine.

A claim is a file `claim.N` in the unit's folder, made by linking a finished file to that name, which succeeds for one
process only. A claim whose holder is gone is never taken away, which two processes could do at once: claim N + 1 is
made beside it, again by one process only, and the highest claim counts. A unit is done when `done.json` is there,
which is written last and appears in one step.
"""

from __future__ import annotations

import json
import os
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eigentrail._files import replace_file
from eigentrail.errors import RunError
from eigentrail.runs.lock import identity, is_alive

DONE = "done.json"
# A holder on another machine shows that it lives by touching its claim; after so long without it counts as lost.
_BEAT_SECONDS = 15.0
LOST_SECONDS = 180.0


@dataclass(frozen=True)
class Claim:
    """The right of this process to do a unit.

    Attributes:
        path: the file.
    """

    path: Path

    @property
    def holds(self) -> bool:
        """Whether nobody else has taken the unit over, as happens to a process that was asleep for long."""
        return self.path.exists() and _highest(self.path.parent) == int(self.path.suffix[1:])

    def release(self) -> None:
        """Let others go on with the unit."""
        said = json.loads(self.path.read_text(encoding="utf-8"))
        replace_file(self.path, json.dumps(said | {"released": True}))


def is_done(folder: Path) -> bool:
    """Tell whether a unit is done.

    Args:
        folder: the unit's folder.

    Returns:
        Whether its last file is there.
    """
    return (folder / DONE).is_file()


def read_done(folder: Path) -> dict[str, Any] | None:
    """Read what a unit has left.

    Args:
        folder: the unit's folder.

    Returns:
        What `mark_done` was given; None where the unit is not done.

    Raises:
        RunError: the mark is damaged.
    """
    try:
        found: dict[str, Any] = json.loads((folder / DONE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise RunError(
            f"{folder / DONE} cannot be read ({error}): remove it, and the unit is done again"
        ) from error
    return found


def mark_done(claim: Claim, told: dict[str, Any]) -> bool:
    """Mark a unit done, as the last thing.

    Args:
        claim: this process's claim.
        told: what the unit leaves.

    Returns:
        False if somebody else has taken the unit over meanwhile: then what they leave counts.
    """
    if not claim.holds:
        return False
    replace_file(claim.path.with_name(DONE), json.dumps(told), sync=True)
    return True


def claim(folder: Path, version: str) -> Claim | None:
    """Claim a unit.

    Args:
        folder: the unit's folder, which is made.
        version: of this package; a unit that another one has begun is refused.

    Returns:
        The claim; None where a living process has it.

    Raises:
        RunError: another version has begun it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    last = _highest(folder)
    if last:
        holder = _read(folder / f"claim.{last}")
        if holder is not None and holder.get("version") != version:
            raise RunError(
                f"{folder} was begun by eigentrail {holder.get('version')}, and this is {version}: go on with that "
                "version, or give the sweep another folder"
            )
        if holder is None or not _is_free(folder / f"claim.{last}", holder):
            return None
    mine = folder / f".claim.{uuid.uuid4().hex}"
    mine.write_text(json.dumps(identity(os.getpid()) | {"version": version}), encoding="utf-8")
    path = folder / f"claim.{last + 1}"
    try:
        os.link(mine, path)
    except FileExistsError:
        return None
    finally:
        mine.unlink(missing_ok=True)
    return Claim(path)


@contextmanager
def held(mine: Claim) -> Iterator[None]:
    """Show for the length of a block that the holder of a claim lives, and release it at the end.

    Args:
        mine: the claim.

    Yields:
        Nothing.
    """
    over = threading.Event()
    beating = threading.Thread(target=_beat, args=(mine.path, over), daemon=True)
    beating.start()
    try:
        yield
    finally:
        over.set()
        beating.join()
        mine.release()


def _beat(path: Path, over: threading.Event) -> None:
    while not over.wait(_BEAT_SECONDS):
        # A disk that is away for a moment is no reason to stop: another beat follows.
        try:
            os.utime(path)
        except OSError:
            continue


def _is_free(path: Path, holder: dict[str, Any]) -> bool:
    if holder.get("released"):
        return True
    if holder.get("host") == identity(os.getpid())["host"]:
        return not is_alive(holder)
    # By the clock of the file system, which all machines share.
    probe = path.with_name(f".clock.{uuid.uuid4().hex}")
    try:
        probe.touch()
        now = probe.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)
    try:
        return now - path.stat().st_mtime > LOST_SECONDS
    except FileNotFoundError:
        return False


def _highest(folder: Path) -> int:
    numbers = [one.suffix[1:] for one in folder.glob("claim.*")]
    return max((int(number) for number in numbers if number.isdigit()), default=0)


def _read(path: Path) -> dict[str, Any] | None:
    for _ in range(3):
        try:
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return found
        except (OSError, ValueError):
            time.sleep(0.05)
    return None
