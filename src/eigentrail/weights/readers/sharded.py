"""Checkpoints in several files, with the index that says which tensor lies where.

A shard that is missing or broken costs its own tensors only: each is skipped with the reason. An index that
points out of its folder is refused altogether.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath

from eigentrail.errors import SourceError
from eigentrail.weights.readers.recognise import regular_file
from eigentrail.weights.readers.safetensors_file import natural_key
from eigentrail.weights.readers.single import list_file
from eigentrail.weights.slots import Listing
from eigentrail.weights.store import Skipped

_LARGEST_INDEX = 100_000_000
_AGAIN = "make or download it again"


def list_index(path: Path) -> Listing:
    """List the tensors that an index names.

    Args:
        path: the index (`*.index.json`).

    Returns:
        The tensors of its shards.

    Raises:
        SourceError: the index is malformed or points out of its folder, or no shard can be read.
    """
    if regular_file(path) > _LARGEST_INDEX:
        raise SourceError(f"{path}: the index is larger than {_LARGEST_INDEX} bytes; {_AGAIN}.")
    try:
        raw = path.read_bytes()
        index = json.loads(raw.decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SourceError(f"{path}: the index is not valid JSON ({str(error)[:200]}); {_AGAIN}.") from error
    weight_map = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(weight_map, dict) or not weight_map:
        raise SourceError(f"{path}: the index has no `weight_map` from tensors to files; {_AGAIN}.")
    shards: dict[str, list[str] | None] = {}
    for name, shard in weight_map.items():
        if not isinstance(shard, str):
            raise SourceError(f"{path}: the index names no file for `{name[:200]}`; {_AGAIN}.")
        names = shards.setdefault(shard, [])
        if names is not None:
            names.append(name)
    for shard in shards:
        _stay_inside(path, shard)
    listing = list_shards(path.parent, shards)
    stamp = f"{hashlib.sha256(raw).hexdigest()}|{listing.stamp}"
    return Listing(listing.slots, listing.skipped, listing.ties, stamp, listing.config)


def list_shards(folder: Path, shards: Mapping[str, list[str] | None]) -> Listing:
    """List the tensors of the shards of one checkpoint.

    Args:
        folder: where the shards lie.
        shards: {file name: the tensors that it should hold, or None for all that it holds}.

    Returns:
        The tensors; what a missing or broken shard should hold is skipped with the reason.

    Raises:
        SourceError: not one shard can be read.
    """
    whole = Listing([])
    places: dict[str, str] = {}
    stamps: list[str] = []
    failure: SourceError | None = None
    for shard, wanted in shards.items():
        try:
            listing = list_file(folder / shard)
        except SourceError as error:
            failure = failure or error
            stamps.append(f"{shard}:unreadable")
            whole.skipped.extend(Skipped(name, str(error).rstrip(".")) for name in wanted or [shard])
            continue
        stamps.append(listing.stamp)
        whole.ties.update(listing.ties)
        whole.config.update(listing.config)
        _merge(whole, places, shard, listing, None if wanted is None else set(wanted))
    if failure is not None and not whole.slots:
        raise failure
    whole.slots.sort(key=lambda slot: natural_key(slot.name))  # shards are cut by size, not by layer
    return Listing(whole.slots, whole.skipped, whole.ties, "|".join(stamps), whole.config)


def _merge(
    whole: Listing, places: dict[str, str], shard: str, listing: Listing, wanted: set[str] | None
) -> None:
    there: set[str] = set()
    whole.skipped.extend(listing.skipped)
    there.update(left.name for left in listing.skipped)
    for part in listing.slots:
        there.add(part.name)
        if wanted is not None and part.name not in wanted:
            # The index is what counts; a tensor that it does not name is a leftover, but one that people
            # should see.
            whole.skipped.append(Skipped(part.name, f"in {shard}, but the index does not name it there"))
        elif part.name in places:
            whole.skipped.append(Skipped(part.name, f"in {shard} again; that of {places[part.name]} is read"))
        else:
            places[part.name] = shard
            whole.slots.append(part)
    for name in sorted((wanted or set()) - there - listing.ties.keys()):
        whole.skipped.append(
            Skipped(
                name,
                f"the index says that it is in {shard}, which does not hold it; make or download both again",
            )
        )


def _stay_inside(index: Path, shard: str) -> None:
    # Refuse a shard's name that leads out of the index's folder, by itself or through a link.
    parts = {*PurePosixPath(shard).parts, *PureWindowsPath(shard).parts}
    absolute = PurePosixPath(shard).is_absolute() or PureWindowsPath(shard).anchor
    refusal = SourceError(
        f"{index}: the index points out of its folder ({shard[:200]!r}) and is not followed; {_AGAIN} from a "
        f"source that "
        "you trust."
    )
    if not shard or absolute or ".." in parts or "\0" in shard or len(shard) > 255:
        raise refusal
    folder = index.parent.resolve()
    try:
        target = (index.parent / shard).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise refusal from error
    inside = [folder]
    if folder.parent.name == "snapshots":
        # The Hugging Face cache keeps the files of all snapshots in one folder and links to them.
        inside.append(folder.parent.parent / "blobs")
    if not any(target.is_relative_to(place) for place in inside):
        raise refusal
