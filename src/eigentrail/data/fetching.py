"""Fetching a data set over the network, when somebody asks for it, through the `datasets` package."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

from eigentrail.data.locate import VARIABLE
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


def fetch(name: str, into: str | os.PathLike[str] | None = None) -> Path:
    """Fetch a data set and keep it as Parquet files; nothing is fetched where they are there already.

    Args:
        name: a known name; the digits need no files.
        into: the folder to keep it in; None for one of the data set's name in the folder named by EIGENTRAIL_DATA, or
            in `~/.cache/eigentrail` where that is not set.

    Returns:
        The folder.

    Raises:
        DataError: the data set cannot be fetched, the package `datasets` is not there, or the download broke off.
    """
    if name not in REPOSITORIES:
        raise DataError(f"{name} is not fetched from anywhere: there are {', '.join(REPOSITORIES)}")
    root = os.environ.get(VARIABLE)
    folder = Path(into) if into is not None else Path(root or "~/.cache/eigentrail").expanduser() / name
    files = {part: folder / f"{part}-00000-of-00001.parquet" for part in _PARTS}
    if all(any(folder.glob(f"{part}-*.parquet")) for part in _PARTS):
        return folder
    repository, configuration = REPOSITORIES[name]
    parts = _load(name, repository, configuration)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for part, path in files.items():
            _write(parts[part], path)
    except KeyError as error:
        raise DataError(f"{repository} has no part {error}: it is not the data set {name}") from error
    except OSError as error:
        raise DataError(f"{name} cannot be kept in {folder}: {error.strerror or error}") from error
    return folder


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
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise DataError(
            f"{name} could not be fetched from {repository} ({reason}): what has come is kept by the package datasets; "
            "run again when the network is there"
        ) from error


def _write(part: Any, path: Path) -> None:
    """Write a file under another name first, so that an interruption never leaves half a file that looks whole."""
    half = path.with_name(path.name + ".half")
    try:
        part.to_parquet(str(half))
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)
