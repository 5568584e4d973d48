"""Where a data set's files lie."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from eigentrail.data.parquet import column_names
from eigentrail.errors import DataError

VARIABLE = "EIGENTRAIL_DATA"


@dataclass(frozen=True)
class Layout:
    """The files that a data set may come in.

    Attributes:
        files: glob patterns, for each of which the folder holds a file.
        folder: the name of the folder that the data set's archive unpacks to, if it has one.
        columns: for Parquet files, columns that the first pattern's files have.
    """

    files: tuple[str, ...]
    folder: str | None = None
    columns: tuple[str, ...] = ()

    def places(self, folder: Path) -> list[Path]:
        """List where the files may lie.

        Args:
            folder: a folder.

        Returns:
            The folder itself, and the one in it that the archive unpacks to.
        """
        return [folder, *([folder / self.folder] if self.folder else [])]

    def share(self, folder: Path) -> float:
        """Tell how much is there.

        Args:
            folder: a folder.

        Returns:
            The share of the patterns that have a file, 0 to 1.
        """
        return sum(any(folder.glob(pattern)) for pattern in self.files) / len(self.files)

    def missing(self, folder: Path) -> str | None:
        """Find out what a folder lacks.

        Args:
            folder: the folder.

        Returns:
            The first pattern without a file, or the first column that is lacking; None where all is there. A file
            that cannot be opened lacks nothing: reading it will say what is wrong with it.
        """
        for pattern in self.files:
            if not any(folder.glob(pattern)):
                return pattern
        have = column_names(min(folder.glob(self.files[0]))) if self.columns else None
        lacking = [name for name in self.columns if have is not None and name not in have]
        return f'column "{lacking[0]}" in its {self.files[0]}' if lacking else None


def cache() -> Path:
    """Name the folder in which fetched data sets are kept where EIGENTRAIL_DATA is not set.

    Returns:
        The folder, which need not exist.
    """
    return Path("~/.cache/eigentrail").expanduser()


def roots(path: str | os.PathLike[str] | None) -> list[tuple[Path, str]]:
    """List the folders to look in.

    Args:
        path: what the user gave; None for the environment variable EIGENTRAIL_DATA and what was fetched without it.

    Returns:
        Folders, each with how it was named.
    """
    if path is not None:
        return [(Path(path).expanduser(), "given")]
    folder = os.environ.get(VARIABLE)
    named = [(Path(folder).expanduser(), VARIABLE)] if folder else []
    return [*named, (cache(), "what was fetched")] if cache().is_dir() else named


def find_folder(
    name: str, layouts: Sequence[Layout], path: str | os.PathLike[str] | None
) -> tuple[Path, Layout]:
    """Find the folder of a data set: the given one itself, or one inside it that has the data set's name.

    Args:
        name: the data set.
        layouts: the files it may come in; the first that is found counts.
        path: the data set's own folder or one that holds it; None for the one named by EIGENTRAIL_DATA, and then for
            that of fetched data sets.

    Returns:
        The folder and what is in it.

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
            if not folder.is_dir():
                continue
            places = [(place, layout) for layout in layouts for place in layout.places(folder)]
            for place, layout in places:
                if layout.missing(place) is None:
                    return place, layout
            nearest, layout = max(places, key=lambda pair: pair[1].share(pair[0]))
            tried.append(f"{nearest} ({how}) has no {layout.missing(nearest)}")
    where = "; ".join(tried) or f"no folder was given and {VARIABLE} is not set"
    wanted = ", or ".join(", ".join(layout.files) for layout in layouts)
    raise DataError(
        f"the data set {name} was not found: {where}; give the folder that holds its files ({wanted}) with "
        f"--data PATH or in {VARIABLE}, or fetch it with --data fetch:{name}"
    )
