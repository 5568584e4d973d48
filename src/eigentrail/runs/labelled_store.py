"""Labelled arrays written as a Zarr v3 store, an array in one file: what a result of a few hundred small arrays needs.

Zarr and xarray open it like any other store. Their own writer takes ten milliseconds an array, most of it for what a
result has no use for: chunks, compression, writing side by side.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from eigentrail.runs.layout import group_metadata

_NUMBERS = {"bool", *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64))}
_FLOATS = {"float16", "float32", "float64"}
# xarray's name of the attribute that lists what labels a node without being one of its dimensions.
_COORDINATES = "coordinates"


def write_labelled(folder: Path, tree: xr.DataTree | xr.Dataset) -> bool:
    """Write labelled arrays of numbers and texts.

    Args:
        folder: the store; it is made.
        tree: the arrays.

    Returns:
        Whether they were written: nothing is where they hold something else than numbers and texts (dates, say).
    """
    nodes = tree if isinstance(tree, xr.DataTree) else xr.DataTree(tree)
    data = {node.path.strip("/"): node.to_dataset(inherit=False) for node in nodes.subtree}
    if not all(_simple(one) for one in data.values()):
        return False
    for path, dataset in data.items():
        where = folder / path
        where.mkdir(parents=True, exist_ok=True)
        attributes = dict(dataset.attrs)
        labels = [str(name) for name in dataset.coords if name not in dataset.dims]
        if labels:
            attributes[_COORDINATES] = " ".join(labels)
        _describe(where, group_metadata(attributes))
        for name, variable in dataset.variables.items():
            _write_array(where / str(name), variable)
    return True


def _simple(dataset: xr.Dataset) -> bool:
    names = [str(name) for name in dataset.coords]
    return (
        _COORDINATES not in dataset.attrs
        and not any(" " in name for name in names)
        and all(
            isinstance(name, str) and "/" not in name and _kind(variable) is not None
            for name, variable in dataset.variables.items()
        )
    )


def _kind(variable: xr.Variable) -> Any:
    """Name the data type as Zarr does; None for what is neither numbers nor texts."""
    if variable.attrs.keys() & {"_FillValue", "scale_factor", "add_offset", _COORDINATES}:
        return None
    name = variable.dtype.name
    if name in _NUMBERS or name in _FLOATS:
        return name
    if variable.dtype.kind == "U" and variable.dtype.itemsize:
        return {"name": "fixed_length_utf32", "configuration": {"length_bytes": variable.dtype.itemsize}}
    if variable.dtype.kind in "OUT" and all(isinstance(one, str) for one in variable.values.ravel()):
        return "string"
    return None


def _write_array(folder: Path, variable: xr.Variable) -> None:
    folder.mkdir()
    kind = _kind(variable)
    values = np.asarray(variable.values)
    if isinstance(kind, dict) or kind == "string":
        fill: Any = ""
    else:
        fill = False if kind == "bool" else "NaN" if kind in _FLOATS else 0
    codec = (
        {"name": "vlen-utf8"}
        if kind == "string"
        else {"name": "bytes", "configuration": {"endian": "little"}}
    )
    _describe(
        folder,
        {
            "zarr_format": 3,
            "node_type": "array",
            "shape": list(values.shape),
            "data_type": kind,
            "chunk_grid": {
                "name": "regular",
                "configuration": {"chunk_shape": [max(1, size) for size in values.shape]},
            },
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "."}},
            "fill_value": fill,
            "codecs": [codec],
            "attributes": dict(variable.attrs),
            "dimension_names": [str(name) for name in variable.dims],
            "storage_transformers": [],
        },
    )
    if not values.size:
        return
    content = _texts(values) if kind == "string" else _little(values).tobytes()
    (folder / ".".join(["c", *("0" for _ in values.shape)])).write_bytes(content)


def _describe(folder: Path, metadata: dict[str, Any]) -> None:
    (folder / "zarr.json").write_text(json.dumps(metadata, default=_plain), encoding="utf-8")


def _little(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return values.astype(values.dtype.newbyteorder("<"), copy=False)


def _texts(values: np.ndarray[Any, Any]) -> bytes:
    """Write texts as the codec `vlen-utf8` has them: their number, then each one's length and bytes."""
    parts = [struct.pack("<I", values.size)]
    for one in values.ravel():
        data = str(one).encode()
        parts += [struct.pack("<I", len(data)), data]
    return b"".join(parts)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"an attribute is {type(value).__name__} and no plain data")
