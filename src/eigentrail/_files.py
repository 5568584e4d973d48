"""Writing files so that a reader, a crash or a full disk never meets half of one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from eigentrail.errors import EigentrailError, OptionError


def draft_of(path: Path) -> Path:
    """Name the place where the next content of a file or folder is prepared.

    Args:
        path: the file or folder.

    Returns:
        A hidden place beside it, another one for each process.
    """
    return path.with_name(f".{path.name}.{os.getpid()}.draft")


def remove_drafts(folder: Path) -> None:
    """Remove the files that a killed process was preparing; the caller is the only one who writes here.

    Args:
        folder: the folder, which may not exist.
    """
    for draft in folder.glob(".*.draft"):
        draft.unlink(missing_ok=True)


@contextmanager
def drafted(path: Path) -> Iterator[Path]:
    """Prepare a file or folder beside its final place and move it there when it is whole.

    Args:
        path: where it shall be; a file is replaced, and so is an empty folder by a folder.

    Yields:
        Where to write it; whatever is there is removed where the block fails.
    """
    draft = draft_of(path)
    try:
        yield draft
        if draft.is_dir() and path.is_dir():
            path.rmdir()
        draft.replace(path)
    finally:
        if draft.is_dir():
            shutil.rmtree(draft, ignore_errors=True)
        else:
            draft.unlink(missing_ok=True)


@contextmanager
def replacing(path: Path, sync: bool = True) -> Iterator[IO[bytes]]:
    """Write a file beside its final place and move it there when it is whole.

    Args:
        path: where the file shall be; it is replaced.
        sync: True to bring the content to the disk itself before it is moved.

    Yields:
        A binary file to write to.
    """
    with drafted(path) as draft, draft.open("w+b") as file:
        yield file
        file.flush()
        if sync:
            os.fsync(file.fileno())


def replace_file(path: Path, content: str | bytes, sync: bool = False) -> None:
    """Put a new content in place of a file's, so that a reader sees the one or the other and nothing between.

    Args:
        path: the file.
        content: its new content.
        sync: True to bring the content to the disk itself first.
    """
    with replacing(path, sync) as file:
        file.write(content.encode() if isinstance(content, str) else content)


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
