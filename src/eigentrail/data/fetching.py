"""Fetching a data set over the network, when somebody asks for it, through the `datasets` package."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

from eigentrail._names import bare, first_line
from eigentrail.data import cifar, mnist, svhn
from eigentrail.data.locate import VARIABLE, Layout, cache, find_folder
from eigentrail.data.parquet import column_names, shards
from eigentrail.errors import DataError

#: Where the data sets lie at Hugging Face: repository and configuration.
REPOSITORIES = {
    "mnist": ("ylecun/mnist", None),
    "fashion-mnist": ("zalando-datasets/fashion_mnist", None),
    "svhn": ("ufldl-stanford/svhn", "cropped_digits"),
    "cifar10": ("uoft-cs/cifar10", None),
    "cifar100": ("uoft-cs/cifar100", None),
}
_PARTS = ("train", "test")
_LAYOUTS = {"mnist": mnist.LAYOUTS, "fashion-mnist": mnist.LAYOUTS, "svhn": svhn.LAYOUTS, **cifar.LAYOUTS}


def fetch(name: str, into: str | os.PathLike[str] | None = None) -> Path:
    """Fetch a data set and keep it as Parquet files; nothing is fetched where its files are there, in any layout.

    A part (training or test) is fetched anew where its files are not there, one of them is missing or cannot be opened,
    or there are several divisions of it. Parquet files of that part which are in the way get ".old" behind their names.

    Args:
        name: a known name; the digits need no files.
        into: the folder that holds it, or else the one to keep it in; None for one of the data set's name in the folder
            named by EIGENTRAIL_DATA, or in `~/.cache/eigentrail` where that is not set.

    Returns:
        The folder.

    Raises:
        DataError: the data set cannot be fetched, the package `datasets` is not there, the download broke off, or the
            folder holds another data set.
    """
    if name not in REPOSITORIES:
        raise DataError(f"{name} is not fetched from anywhere: there are {', '.join(REPOSITORIES)}")
    root = os.environ.get(VARIABLE)
    own = Path(into) if into is not None else (Path(root) if root else cache()) / name
    folder, layout = _found(name, into) or (own.expanduser(), None)
    if layout is not None and (not layout.columns or all(_whole(folder, part) for part in _PARTS)):
        return folder
    _check_own(name, folder)
    lacking = [part for part in _PARTS if not any(folder.glob(_glob(part))) or not _whole(folder, part)]
    repository, configuration = REPOSITORIES[name]
    parts = _load(name, repository, configuration)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for part in lacking:
            _write(parts[part], folder, part)
    except KeyError as error:
        raise DataError(f"{repository} has no part {error}: it is not the data set {name}") from error
    except OSError as error:
        raise DataError(f"{name} cannot be kept in {folder}: {error.strerror or error}") from error
    return folder


def _found(name: str, into: str | os.PathLike[str] | None) -> tuple[Path, Layout] | None:
    try:
        folder, layout = find_folder(name, _LAYOUTS[name], into)
    except DataError:
        return None
    # MNIST and Fashion-MNIST differ in nothing but the folder's name.
    others = {bare(other) for other in REPOSITORIES if other != name}
    return None if bare(folder.resolve().name) in others else (folder, layout)


def _glob(part: str) -> str:
    return f"{part}-*.parquet"


def _whole(folder: Path, part: str) -> bool:
    """Tell whether all Parquet files of a part are there and can be opened; also where it has none at all."""
    try:
        return all(column_names(path) is not None for path in shards(folder, _glob(part)))
    except DataError:
        return False


def _check_own(name: str, folder: Path) -> None:
    columns = next(layout.columns for layout in _LAYOUTS[name] if layout.columns)
    for path in (path for part in _PARTS for path in sorted(folder.glob(_glob(part)))):
        have = column_names(path)
        if have is not None and not set(columns) <= set(have):
            raise DataError(
                f"{path} has the columns {', '.join(have)}, not those of {name}: give another folder"
            )


def _load(name: str, repository: str, configuration: str | None) -> Any:
    try:
        package = importlib.import_module("datasets")
    except ImportError as error:
        raise DataError(
            f"{name} is fetched with the package datasets, which is not installed: pip install 'eigentrail[datasets]', "
            f"or put the files in a folder and give that with --data PATH"
        ) from error
    try:
        return package.load_dataset(repository, configuration)
    except Exception as error:
        # Whatever broke off on the way: no network, a wrong checksum, a full disk.
        raise DataError(
            f"{name} could not be fetched from {repository} ({first_line(error)}): what has come is kept by the "
            "package datasets; run again when the network is there"
        ) from error


def _write(part: Any, folder: Path, name: str) -> None:
    """Write a file under another name first, so that an interruption never leaves half a file that looks whole."""
    path = folder / f"{name}-00000-of-00001.parquet"
    half = path.with_name(path.name + ".half")
    try:
        part.to_parquet(str(half))
        for old in [*folder.glob(_glob(name))]:
            old.replace(old.with_name(old.name + ".old"))
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)
