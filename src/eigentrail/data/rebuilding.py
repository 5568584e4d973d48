"""A data set again, from what a recorded run says of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from eigentrail.data.dataset import Data
from eigentrail.data.derive import label_noise, select_classes, take
from eigentrail.data.for_images import for_images
from eigentrail.data.own import is_import_path, was_asked
from eigentrail.data.registry import is_known, load, names, resolve
from eigentrail.errors import DataError

_STEPS: dict[Any, Callable[..., Data]] = {
    "select_classes": select_classes,
    "take": take,
    "label_noise": label_noise,
    "for_images": for_images,
}


def rebuild(told: Mapping[str, Any], path: str | os.PathLike[str] | None = None, trust: bool = False) -> Data:
    """Load a data set as `Data.describe` told of it, and make sure that it is the same one.

    Args:
        told: what `describe` gave.
        path: the folder to look in; None for where data sets are looked for.
        trust: True to import and call whatever is named. Without it a run, which may come from somebody else, gets only
            eigentrail's own data sets, and those that this process has loaded by their import path already.

    Returns:
        The data set, sample for sample the one that was described.

    Raises:
        DataError: it was given as an object, is not trusted, is not found, or holds other samples.
    """
    name = str(told.get("name"))
    mend = "give them with data=... (--data module:name)"
    own = is_import_path(name)
    if own and not (trust or was_asked(name)):
        raise DataError(
            f"the run names {name} for its samples: if you trust that, open the run with trust=True "
            f"(eigentrail analyze --trust), or {mend}"
        )
    if not own and not is_known(name):
        raise DataError(
            f"the samples are {name!r}, which is none of eigentrail's own data sets and cannot be loaded again: {mend}"
        )
    which, folder = (
        (name, None) if own or name not in names() else resolve(path if path is not None else name, name)
    )
    data = load(which, folder)
    for step in told.get("derivation") or ():
        arguments = dict(step)
        do = _STEPS.get(arguments.pop("do", None))
        if do is None:
            raise DataError(f"{name} was changed by {step.get('do')!r}, which is not known: {mend}")
        data = do(data, **arguments)
    # Where a name is all that was told, it is all that can be kept.
    if "fingerprint" in told and data.fingerprint != told["fingerprint"]:
        raise DataError(
            f"the samples of {name} that are found here are not those that were used (their hashes differ): {mend}"
        )
    return data
