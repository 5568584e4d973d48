"""A run in a zip file, as people send it."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import zipfile
from pathlib import Path

from eigentrail.errors import RunError
from eigentrail.runs import manifest

# What was unpacked in this process: {file, its time and size: where}.
_UNPACKED: dict[tuple[Path, int, int], Path] = {}


def unpack(path: Path) -> Path:
    """Unpack a zipped run into a folder that is removed when the process ends.

    Args:
        path: the zip file, which holds the run's folder or what is in it.

    Returns:
        The folder of the run, the same one for the same file.

    Raises:
        RunError: it is no zip file, is damaged, or there is no room.
    """
    stat = path.stat()
    key = (path.resolve(), stat.st_mtime_ns, stat.st_size)
    if key in _UNPACKED:
        return _UNPACKED[key]
    goal = Path(tempfile.mkdtemp(prefix="eigentrail-")) / path.stem
    atexit.register(shutil.rmtree, goal.parent, ignore_errors=True)
    try:
        with zipfile.ZipFile(path) as packed:
            needed = sum(entry.file_size for entry in packed.infolist())
            free = shutil.disk_usage(goal.parent).free
            if needed > free:
                raise RunError(
                    f"{path} needs {needed:,} bytes to be unpacked and {free:,} are free in {goal.parent.parent}: free "
                    "some, or unpack it yourself"
                )
            packed.extractall(goal)
    except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise RunError(f"{path} cannot be unpacked: {error}") from error
    inside = [entry for entry in goal.iterdir() if entry.is_dir()]
    if not (goal / manifest.FILE).is_file() and len(inside) == 1:
        goal = inside[0]
    _UNPACKED[key] = goal
    return goal
