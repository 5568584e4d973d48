"""Data sets by name, by folder, or as they come."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eigentrail._names import bare, look_up
from eigentrail.data import cifar, digits, mnist, orthogonal, separable, svhn, text
from eigentrail.data.dataset import Data
from eigentrail.data.fetching import fetch
from eigentrail.data.locate import Layout
from eigentrail.data.own import from_object, is_import_path, load_own
from eigentrail.errors import DataError

FETCH = "fetch:"
_OWN = '; your own is given as "package.module:name"'


@dataclass(frozen=True)
class Entry:
    """A data set that is known by name.

    Attributes:
        load: reads it from a folder, or from the one named by EIGENTRAIL_DATA for None.
        layouts: the files it may come in; none for one that needs no files.
        title: its usual name.
    """

    load: Callable[[str | os.PathLike[str] | None], Data]
    layouts: tuple[Layout, ...]
    title: str


ENTRIES: dict[str, Entry] = {
    "digits": Entry(lambda path: digits.load_digits(), (), "the digits in scikit-learn"),
    "mnist": Entry(mnist.load_mnist, mnist.LAYOUTS, "MNIST"),
    "fashion-mnist": Entry(mnist.load_fashion_mnist, mnist.LAYOUTS, "Fashion-MNIST"),
    "cifar10": Entry(cifar.load_cifar10, cifar.LAYOUTS["cifar10"], "CIFAR-10"),
    "cifar100": Entry(cifar.load_cifar100, cifar.LAYOUTS["cifar100"], "CIFAR-100"),
    "orthogonal": Entry(lambda path: orthogonal.load_orthogonal(), (), "orthonormal samples"),
    "separable": Entry(lambda path: separable.load_separable(), (), "linearly separable classes"),
    "svhn": Entry(svhn.load_svhn, svhn.LAYOUTS, "SVHN"),
    "tinyshakespeare": Entry(text.load_tinyshakespeare, text.LAYOUTS, "Tiny Shakespeare, by its characters"),
}


def names() -> tuple[str, ...]:
    """List the data sets that are known by name.

    Returns:
        Their names, for `load`.
    """
    return tuple(ENTRIES)


def is_known(name: str) -> bool:
    """Tell whether a name is that of one of eigentrail's own data sets.

    Args:
        name: as a data set is called.

    Returns:
        Whether `load` knows it as it is written.
    """
    return name in ENTRIES or orthogonal.sizes_of(name) is not None


def load(name: str, path: str | os.PathLike[str] | None = None) -> Data:
    """Load a data set by name into memory.

    Args:
        name: one of `names()`, in any spelling ("Fashion MNIST"); "orthogonal-d-K-outputs" with any numbers;
            "fetch:NAME" fetches it first, if its files are not there yet; "package.module:name" imports somebody's
            own, as `as_data` says.
        path: the data set's own folder or one that holds it; None for the one named by EIGENTRAIL_DATA. An import path
            has none.

    Returns:
        The data set.

    Raises:
        DataError: there is none of that name, or its files are absent, damaged or something else.
    """
    if name.startswith(FETCH):
        known = look_up(name.removeprefix(FETCH), ENTRIES, "data set", DataError)
        return ENTRIES[known].load(fetch(known, path))
    if (sizes := orthogonal.sizes_of(name)) is not None:
        return orthogonal.load_orthogonal(*sizes)
    if is_import_path(name):
        if path is not None:
            raise DataError(f'"{name}" is an import path, which needs no folder: leave {os.fspath(path)} out')
        return load_own(name)
    return ENTRIES[look_up(name, ENTRIES, "data set", DataError, more=_OWN)].load(path)


def resolve(given: str | os.PathLike[str] | None, default: str | None = None) -> tuple[str, Path | None]:
    """Find out what `--data NAME|PATH` means.

    Args:
        given: a data set's name, "fetch:NAME" to fetch it first, its own folder, a folder that holds data sets, an
            import path "package.module:name" of somebody's own, or None for the default.
        default: the data set that is meant where the name is not said.

    Returns:
        The data set's name or import path, and the folder to look in; None for the one named by EIGENTRAIL_DATA.

    Raises:
        DataError: it is neither a known name nor a folder, or it cannot be told which data set in it is meant.
    """
    if given is None:
        return look_up(default or "", ENTRIES, "data set", DataError), None
    text = os.fspath(given)
    if text.startswith(FETCH):
        wanted = look_up(text.removeprefix(FETCH), ENTRIES, "data set", DataError)
        return wanted, fetch(wanted)
    known = {bare(name): name for name in ENTRIES}
    if bare(text) in known and os.sep not in text:
        return known[bare(text)], None
    if is_import_path(text) or orthogonal.sizes_of(text) is not None:
        return text, None
    folder = Path(text).expanduser()
    if not folder.is_dir():
        if os.sep in text or folder.exists():
            raise DataError(f"{text} is no folder: give a data set's folder, one that holds it, or a name")
        look_up(text, ENTRIES, "data set or folder", DataError, more=_OWN)
    # A folder called like a data set is that one's own, whatever was expected: MNIST and Fashion-MNIST differ in
    # nothing else.
    own = known.get(bare(folder.resolve().name))
    inside = [name for name in ENTRIES if _has(folder / name, name)]
    fitting = [name for name in ENTRIES if _has(folder, name)] or inside
    for name in (own, default):
        if name is not None and name in {*fitting, *inside}:
            return name, folder
    if len(fitting) == 1:
        return fitting[0], folder
    found = f"holds {', '.join(fitting)}" if fitting else f"holds none of {', '.join(ENTRIES)}"
    mend = f"give the folder of one, such as {folder / fitting[0]}" if inside else "give a data set's folder"
    raise DataError(f"{folder} {found}: {mend}, or its name with EIGENTRAIL_DATA set")


def as_data(data: Any, path: str | os.PathLike[str] | None = None) -> Data:
    """Bring whatever holds samples and labels to a data set in memory.

    Args:
        data: a `Data`, a known name, a pair of tensors (inputs, targets), a torch Dataset of such pairs, a pair
            (train, test) of either, or the import path "package.module:name" of one of these or of a class or function
            that gives one when it is called without arguments.
        path: for a name, the folder to look in.

    Returns:
        The data set.

    Raises:
        DataError: it is none of these.
    """
    if isinstance(data, Data):
        return data
    if isinstance(data, (str, os.PathLike)):
        if path is not None:
            return load(os.fspath(data), path)
        name, folder = resolve(data)
        return load(name, folder)
    return from_object(data)


def _has(folder: Path, name: str) -> bool:
    return folder.is_dir() and any(
        layout.missing(place) is None for layout in ENTRIES[name].layouts for place in layout.places(folder)
    )
