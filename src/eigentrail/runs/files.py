"""Small files that are replaced in one step."""

from __future__ import annotations

import os
from pathlib import Path

from eigentrail.errors import RunError


def draft_of(path: Path) -> Path:
    """Name the file in which the next content of a file is prepared.

    Args:
        path: the file.

    Returns:
        A hidden file beside it.
    """
    return path.with_name(f".{path.name}.{os.getpid()}.draft")


def remove_drafts(folder: Path) -> None:
    """Remove what a killed process was preparing; the caller is the only one who writes here.

    Args:
        folder: the folder, which may not exist.
    """
    for draft in folder.glob(".*.draft"):
        draft.unlink(missing_ok=True)


def replace_file(path: Path, content: str | bytes, sync: bool = False) -> None:
    """Put a new content in place of a file's, so that a reader sees the one or the other and nothing between.

    Args:
        path: the file.
        content: its new content.
        sync: True to bring the content to the disk itself first.
    """
    data = content.encode() if isinstance(content, str) else content
    draft = draft_of(path)
    try:
        with draft.open("wb") as file:
            file.write(data)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


class DiskError(RunError):
    """A run cannot be written: the disk is full, the folder read-only, ...

    Args:
        path: the run's folder.
        error: what the system answered.
        more: what else is to be said.
    """

    def __init__(self, path: Path, error: OSError, more: str = ""):
        why = error.strerror or str(error)
        super().__init__(
            f"{path} cannot be written ({why}): free space or choose another folder for the run{more}"
        )
