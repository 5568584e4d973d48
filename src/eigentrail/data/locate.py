"""Where a data set's files lie."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from eigentrail.errors import DataError

VARIABLE = "EIGENTRAIL_DATA"


def roots(path: str | os.PathLike[str] | None) -> list[tuple[Path, str]]:
    """List the folders to look in.

    Args:
        path: what the user gave; None for the environment variable EIGENTRAIL_DATA alone.

    Returns:
        Folders, each with how it was named.
    """
    if path is not None:
        return [(Path(path).expanduser(), "given")]
    folder = os.environ.get(VARIABLE)
    return [(Path(folder).expanduser(), VARIABLE)] if folder else []


def find_folder(name: str, files: Sequence[str], path: str | os.PathLike[str] | None) -> Path:
    """Find the folder of a data set: the given one itself, or one inside it that has the data set's name.

    Args:
        name: the data set.
        files: glob patterns, for each of which the folder must hold a file.
        path: the data set's own folder or one that holds it; None for the one named by EIGENTRAIL_DATA.

    Returns:
        The folder.

    Raises:
        DataError: the files are not there; the text says where they were looked for and how to give them.
    """
    tried = []
    for root, how in roots(path):
        if not root.is_dir():
            tried.append(f"{root} ({how}) is no folder")
            continue
        inside = root / name
        for folder in (inside, root) if inside.is_dir() else (root, inside):
            missing = [pattern for pattern in files if not any(folder.glob(pattern))]
            if not missing:
                return folder
            if folder.is_dir():
                tried.append(f"{folder} ({how}) has no {missing[0]}")
    where = "; ".join(tried) or f"no folder was given and {VARIABLE} is not set"
    raise DataError(
        f"the data set {name} was not found: {where}; give the folder that holds its files ({', '.join(files)}) with "
        f"--data PATH or in {VARIABLE}"
    )
