"""Open weights from wherever they are."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from torch import nn

from eigentrail.errors import SourceError
from eigentrail.weights.readers.config import read_config, tied_head
from eigentrail.weights.readers.folder import list_folder
from eigentrail.weights.readers.hub import PREFIX, hub_folder
from eigentrail.weights.readers.memory import open_module, open_state_dict
from eigentrail.weights.readers.sharded import list_index
from eigentrail.weights.readers.single import list_file
from eigentrail.weights.slot_store import SlotStore
from eigentrail.weights.store import TensorStore

if TYPE_CHECKING:
    Source: TypeAlias = "str | os.PathLike[str] | nn.Module | Mapping[Any, Any] | TensorStore"
else:
    Source: TypeAlias = Any


def open_store(source: Source) -> TensorStore:
    """List the tensors of a source; none is read yet.

    Args:
        source: a path: a file of torch (`.pt .pth .th .bin .ckpt`), safetensors or numpy (`.npz`), GGUF, a
            `*.index.json`, or a folder (the Hugging Face layout, or with one file of weights); or
            `hf://org/name[@revision]`, a repository of the Hugging Face hub; or an
            `nn.Module`, a state dict or any mapping of names to tensors or arrays; one tensor or array, called
            "weight", or a list of them, called "0", "1", ...; or a store.

    Returns:
        The store.

    Raises:
        SourceError: there is nothing there, or it cannot be read; says what it is and what to do.
    """
    if isinstance(source, TensorStore):
        return source
    if isinstance(source, nn.Module):
        return open_module(source)
    if isinstance(source, Mapping):
        return open_state_dict(source)
    if isinstance(source, (torch.Tensor, np.ndarray)):
        return open_state_dict({"weight": source})
    if isinstance(source, (list, tuple)):
        return open_state_dict({str(place): one for place, one in enumerate(source)})
    if isinstance(source, str) and source.startswith(PREFIX):
        return _open_path(hub_folder(source), source)
    if isinstance(source, (str, os.PathLike)):
        return _open_path(Path(source), str(source))
    raise SourceError(
        f"weights cannot be opened from a {type(source).__name__}; give a path, an nn.Module or a mapping of "
        f"names to "
        "tensors."
    )


def _open_path(path: Path, called: str) -> TensorStore:
    try:
        there, is_folder = path.exists(), path.is_dir()
    except (OSError, ValueError) as error:
        raise SourceError(
            f"{str(path)[:200]!r} is no path: {getattr(error, 'strerror', None) or error}."
        ) from error
    if not there and not path.is_symlink():
        raise SourceError(f"{path}: there is no such file or folder{_near(path)}.")
    if is_folder:
        listing, place = list_folder(path)
    else:
        listing, place = list_index(path) if path.name.endswith(".index.json") else list_file(path), path
    config, trouble = read_config(place.parent, adapter=place.name.startswith("adapter"))
    config = {**listing.config, **config}
    ties = {**tied_head(config, {slot.name for slot in listing.slots}), **listing.ties}
    return SlotStore(
        called,
        listing.slots,
        [*listing.skipped, *trouble],
        config,
        listing.hints,
        ties,
        f"{listing.stamp}|{config!r}",
    )


def _near(path: Path) -> str:
    try:
        names = [other.name for other in path.parent.iterdir()]
    except OSError:
        return "; check the path"
    near = difflib.get_close_matches(path.name, names, n=2, cutoff=0.6)
    return (
        f"; perhaps you mean {' or '.join(str(path.parent / name) for name in near)}"
        if near
        else "; check the path"
    )
