"""A source of weights written anew with some of its tensors replaced; everything else stays as it was.

A file keeps its format: the bytes of tensors that do not change, their order and whatever else the file holds are
copied. A folder keeps its files: shards, index, configuration, tokenizer. Nothing is written in place; what is
written appears under its name only when it is whole.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from torch import Tensor

from eigentrail._files import drafted, replacing
from eigentrail.errors import EigentrailError, OptionError, SourceError
from eigentrail.weights.readers.npz_file import NpzSlot
from eigentrail.weights.readers.recognise import WEIGHT_ENDINGS, file_kind
from eigentrail.weights.slot_store import SlotStore
from eigentrail.weights.slots import FileSlot, Slot
from eigentrail.weights.store import Skipped, TensorStore
from eigentrail.weights.writers.npz_file import rewrite_npz
from eigentrail.weights.writers.patching import slot_patch
from eigentrail.weights.writers.safetensors_file import patch_safetensors, write_safetensors
from eigentrail.weights.writers.torch_file import patch_torch_zip, rewrite_torch_legacy

_TORCH_ENDINGS = {".pt", ".pth", ".th", ".bin", ".ckpt"}


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        path: the file or folder.
        changed: the names of the replaced tensors.
        left_out: what the source holds and the new file does not (only where the format changes).
    """

    path: Path
    changed: tuple[str, ...]
    left_out: tuple[Skipped, ...] = ()


def write_weights(
    store: TensorStore, path: str | os.PathLike[str], changes: Mapping[str, Tensor], provenance: Any = None
) -> Written:
    """Write a source of weights to a new place with some tensors replaced.

    A single file is written in its own format, or as safetensors where the new name ends so; a folder, or an index,
    as a folder, or as one safetensors file. Weights in memory become a safetensors file. A tensor that has several
    names (tied weights) changes under all of them.

    Args:
        store: the source.
        path: the new file or folder.
        changes: {name of the store: tensor of the stored shape and precision}; each is asked for once, when its turn
            comes, so that a mapping may compute them then.
        provenance: what happened, as plain values for JSON: kept in the metadata of safetensors files and in a
            member `eigentrail.json` of archives. None: no note, and with no change the copy is bit for bit the source.

    Returns:
        What was written.

    Raises:
        OptionError: the path is the source itself, or its ending is none that can be written.
        SourceError: a change names no tensor, or its shape or precision is another.
        EigentrailError: the system refuses (a full disk, no permission); the source is whole and nothing is left.
    """
    path = Path(path)
    unknown = [name for name in changes if name not in store.entries]
    if unknown:
        raise SourceError(f"{store.source}: there is no tensor `{unknown[0]}` to change.")
    note = None if provenance is None else json.dumps(provenance, sort_keys=True)
    files = _files(store)
    source = Path(store.source)
    _not_onto_source(source if source.exists() else None, files, path)
    left_out: tuple[Skipped, ...] = ()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if (
            files
            and (source.is_dir() or source.name.endswith(".index.json"))
            and path.suffix not in WEIGHT_ENDINGS
        ):
            _write_folder(store, source, path, files, changes, note)
        elif files and not source.is_dir() and _same_format(source, path):
            with replacing(path) as file:
                _write_file(file, source, files[source], changes, note)
        elif path.suffix == ".safetensors":
            with replacing(path) as file:
                write_safetensors(store, file, changes, _metadata(note))
            left_out = tuple(store.skipped)
        else:
            raise OptionError(
                f"{store.source} cannot be written as {path}: give a name with the source's own ending or with "
                ".safetensors."
            )
    except OSError as error:
        raise EigentrailError(
            f"cannot write {path}: {error.strerror or error}; give a place that can be written to and has room"
        ) from error
    return Written(path, tuple(changes), left_out)


def _files(store: TensorStore) -> dict[Path, dict[str, Slot]]:
    """The files that a store reads from: {file: {name in the store: slot}}; none for weights in memory."""
    files: dict[Path, dict[str, Slot]] = {}
    if not isinstance(store, SlotStore) or store.in_memory or not Path(store.source).exists():
        return files
    alone = Path(store.source) if Path(store.source).is_file() else None
    for name in store.entries:
        slot = store.slot(name)
        where = getattr(slot, "path", alone)
        if where is not None:
            files.setdefault(where, {})[name] = slot
    return files


def _not_onto_source(source: Path | None, files: Mapping[Path, object], path: Path) -> None:
    taken = {file.resolve() for file in files}
    if source is not None:
        taken.add(source.resolve())
        if source.is_dir() and path.resolve().is_relative_to(source.resolve()):
            taken.add(path.resolve())
    if path.resolve() in taken:
        raise OptionError(f"{path} is the source itself, which is never written onto; give another place.")


def _same_format(source: Path, path: Path) -> bool:
    kind = file_kind(source)
    if kind.startswith("torch"):
        return path.suffix in _TORCH_ENDINGS
    return path.suffix == {"safetensors": ".safetensors", "npz": ".npz"}.get(kind)


def _metadata(note: str | None) -> dict[str, str]:
    return {} if note is None else {"eigentrail": note}


def _write_file(
    target: IO[bytes],
    source: Path,
    slots: Mapping[str, Slot],
    changes: Mapping[str, Tensor],
    note: str | None,
) -> None:
    """Write one file in its own format."""
    changed = {name: slots[name] for name in changes if name in slots}
    if not changed and note is None:
        with source.open("rb") as file:
            shutil.copyfileobj(file, target)
        return
    kind = file_kind(source)
    if kind == "npz":
        members = {slot.member: name for name, slot in changed.items() if isinstance(slot, NpzSlot)}
        rewrite_npz(source, target, changes, members, note)
    elif kind == "torch-legacy":
        rewrite_torch_legacy(source, target, {slot.name: changes[name] for name, slot in changed.items()})
    else:
        patches = [
            slot_patch(slot, name, changes) for name, slot in changed.items() if isinstance(slot, FileSlot)
        ]
        if len(patches) < len(changed):
            raise SourceError(
                f"{source}: this torch does not tell where tensors lie; update torch to change them."
            )
        if kind == "safetensors":
            patch_safetensors(source, target, patches, _metadata(note))
        else:
            patch_torch_zip(source, target, patches, note)


def _write_folder(
    store: TensorStore,
    source: Path,
    path: Path,
    files: Mapping[Path, Mapping[str, Slot]],
    changes: Mapping[str, Tensor],
    note: str | None,
) -> None:
    """Write a folder beside its final place and move it there when it is whole."""
    folder = source if source.is_dir() else source.parent
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise OptionError(f"{path} exists already and is not empty; give a new folder.")
    with drafted(path) as partial:
        partial.mkdir()
        for file in sorted(folder.iterdir()):
            if file.is_file() and file not in files and not file.name.lower().endswith(WEIGHT_ENDINGS):
                shutil.copyfile(file, partial / file.name)
        for file, slots in files.items():
            with replacing(partial / file.name) as target:
                _write_file(target, file, slots, changes, note if any(n in slots for n in changes) else None)
