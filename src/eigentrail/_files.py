"""Writing files so that a reader, a crash or a full disk never meets half of one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from eigentrail.errors import EigentrailError, OptionError


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Write a file beside its final place and move it there when it is whole.

    Args:
        path: where the file shall be; it is replaced.

    Yields:
        A binary file to write to.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with partial.open("w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_bytes(path: Path, write: Callable[[IO[bytes]], object]) -> Path:
    """Write a result file atomically and turn what the system refuses into one sentence.

    Args:
        path: where the file shall be.
        write: writes the content to a binary file.

    Returns:
        The path.

    Raises:
        EigentrailError: when the file cannot be written, with the system's reason.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            write(file)
    except OSError as error:
        msg = f"cannot write {path}: {error.strerror or error}; give a folder that can be written to and has room"
        raise EigentrailError(msg) from error
    return path


def output_folder(path: str | Path) -> Path:
    """Make the folder that results go into.

    Args:
        path: the folder; it may exist.

    Returns:
        The folder.

    Raises:
        OptionError: when it cannot be made or is a file.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"cannot make the output folder {folder}: {error.strerror or error}; give another one"
        raise OptionError(msg) from error
    return folder
