"""Distributed checkpoints of torch (FSDP, `torch.distributed.checkpoint`): parts of tensors, and what belongs where.

The folder holds files `__RANK_NUMBER.distcp`, in which each part of a tensor is what `torch.save` wrote of it, one
after the other, and a pickle `.metadata` with the shape of each tensor, the places of its parts in it, and where they
lie. It is read by the machine that runs nothing (torch's own reader would load it with `pickle`), and the parts only
when their tensor is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from eigentrail.errors import SourceError
from eigentrail.weights.readers.inert import InertRecord
from eigentrail.weights.readers.pickle_machine import BROKEN, PickleMachine
from eigentrail.weights.readers.stand_ins import Global, StandIn
from eigentrail.weights.readers.torch_file import list_torch_zip
from eigentrail.weights.readers.torch_globals import REBUILD, storage_of
from eigentrail.weights.slots import Listing, Slot, file_stamp, plausible_shape
from eigentrail.weights.store import Skipped

_HOME = "torch.distributed.checkpoint.metadata."
_LARGEST = 2**30
_AGAIN = "make the checkpoint again"
_OURS = {**REBUILD, f"{_HOME}TensorProperties": InertRecord}


@dataclass(frozen=True)
class Part:
    """A part of a tensor.

    Attributes:
        offsets: where it begins in the tensor.
        sizes: its shape.
        path: the file that it lies in.
        begin: where in the file.
        length: how many bytes `torch.save` wrote of it.
    """

    offsets: tuple[int, ...]
    sizes: tuple[int, ...]
    path: Path
    begin: int
    length: int


@dataclass(frozen=True)
class PartsSlot(Slot):
    """A tensor that lies in parts.

    Attributes:
        parts: all of them.
    """

    parts: tuple[Part, ...]

    def read(self) -> Tensor:
        """Put the parts together.

        Returns:
            The tensor as stored.

        Raises:
            SourceError: a part is not what the index says.
        """
        whole = torch.empty(self.shape, dtype=self.dtype)
        for part in self.parts:
            found = list_torch_zip(part.path, part.begin, part.length).slots
            if len(found) != 1 or found[0].shape != part.sizes or found[0].dtype != self.dtype:
                raise SourceError(
                    f"{part.path}: a part of `{self.name}` is not what the index says; {_AGAIN}."
                )
            view = whole
            for axis, (start, size) in enumerate(zip(part.offsets, part.sizes, strict=True)):
                view = view.narrow(axis, start, size)
            view.copy_(found[0].read())
        return whole


def list_distributed(folder: Path) -> Listing:
    """List the tensors of a distributed checkpoint.

    Args:
        folder: with `.metadata` and the files of the ranks.

    Returns:
        Its tensors; one whose parts are not all there is skipped with the reason.

    Raises:
        SourceError: the index is damaged or describes no tensor.
    """
    path = folder / ".metadata"
    tensors, places = _index(path)
    slots: list[Slot] = []
    skipped: list[Skipped] = []
    for name, told in tensors.items():
        if not isinstance(told, Mapping) or "chunks" not in told:
            skipped.append(Skipped(str(name), "a Python object, which is not rebuilt: no tensor"))
            continue
        found = _slot(folder, str(name), told, places)
        if isinstance(found, str):
            skipped.append(Skipped(str(name), found))
        else:
            slots.append(found)
    if not slots and not skipped:
        raise SourceError(f"{path}: the index names no tensor; {_AGAIN}.")
    with path.open("rb") as file:
        return Listing(slots, skipped, stamp=file_stamp(path, file.read()))


def _index(path: Path) -> tuple[Mapping[Any, Any], Mapping[Any, Any]]:
    try:
        if path.stat().st_size > _LARGEST:
            raise SourceError(f"{path}: an index of {path.stat().st_size} bytes, which none is; {_AGAIN}.")
        with path.open("rb") as file:
            found = PickleMachine(file, _OURS, storage_of).run()
    except OSError as error:
        raise SourceError(f"{path}: cannot read the file: {error.strerror or error}.") from error
    except BROKEN as error:
        raise SourceError(f"{path}: the index is cut or damaged ({str(error)[:200]}); {_AGAIN}.") from error
    parts = [
        found.get(key) if isinstance(found, StandIn) else None
        for key in ("state_dict_metadata", "storage_data")
    ]
    if not all(isinstance(part, Mapping) for part in parts):
        raise SourceError(f"{path}: this is no index of a distributed checkpoint; {_AGAIN}.")
    return parts[0], _by_name(parts[1])  # type: ignore[return-value, arg-type]


def _by_name(places: Mapping[Any, Any]) -> dict[Any, Any]:
    """Sort the places by the name of the tensor and where the part begins, whatever else their keys hold."""
    found = {}
    for key, place in places.items():
        if isinstance(key, tuple) and key[0] == f"{_HOME}MetadataIndex":
            name = next((part for part in key[1:] if isinstance(part, str)), None)
            offsets = next((part for part in key[1:] if isinstance(part, tuple)), None)
            found[name, offsets] = place
    return found


def _slot(folder: Path, name: str, told: Mapping[Any, Any], places: Mapping[Any, Any]) -> PartsSlot | str:
    shape, chunks, properties = told.get("size"), told.get("chunks"), told.get("properties")
    state = getattr(properties, "state", None)
    kind = state[0] if isinstance(state, tuple) and state else None
    dtype = getattr(torch, kind.name.rpartition(".")[2], None) if isinstance(kind, Global) else None
    if not isinstance(dtype, torch.dtype) or not plausible_shape(shape) or not isinstance(chunks, list):
        return f"the index does not say what it is; {_AGAIN}"
    assert isinstance(shape, tuple)
    parts = []
    for chunk in chunks:
        part = _part(folder, name, shape, chunk, places)
        if isinstance(part, str):
            return part
        parts.append(part)
    together = sum(prod(part.sizes) for part in parts)
    if len({part.offsets for part in parts}) < len(parts) or together != prod(shape):
        return f"its parts do not make the whole of shape {list(shape)}; {_AGAIN}"
    return PartsSlot(name, shape, dtype, None, tuple(parts))


def _part(
    folder: Path, name: str, shape: tuple[int, ...], chunk: Any, places: Mapping[Any, Any]
) -> Part | str:
    offsets, sizes = (chunk.get(key) if isinstance(chunk, Mapping) else None for key in ("offsets", "sizes"))
    if not isinstance(offsets, tuple) or not isinstance(sizes, tuple):
        return f"the index does not say where its parts belong; {_AGAIN}"
    plausible = plausible_shape(offsets) and plausible_shape(sizes)
    if not plausible or not len(offsets) == len(sizes) == len(shape):
        return f"the index does not say where its parts belong; {_AGAIN}"
    if any(start + size > most for start, size, most in zip(offsets, sizes, shape, strict=True)):
        return f"a part of it reaches out of its shape {list(shape)}; {_AGAIN}"
    place = places.get((name, offsets))
    file, begin, length = (
        place.get(key) if isinstance(place, Mapping) else None
        for key in ("relative_path", "offset", "length")
    )
    if not isinstance(file, str) or Path(file).name != file or file in {"", ".", ".."}:
        return f"the index names no file in this folder for a part of it; {_AGAIN}"
    try:
        size = (folder / file).stat().st_size
    except (OSError, ValueError):
        return f"a part of it lies in {file}, which is not there; copy the files of all ranks into the folder"
    if type(begin) is not int or type(length) is not int or not 0 <= begin <= begin + length <= size:
        return f"a part of it should lie behind the end of {file}, which was cut; copy it again"
    return Part(offsets, sizes, folder / file, begin, length)
