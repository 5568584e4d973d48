"""Labelled arrays written as a Zarr v3 store, an array in one file: what a result of a few hundred small arrays needs.

Zarr and xarray open it like any other store. Their own writer takes ten milliseconds an array and their reader five,
most of it for what a result has no use for: chunks, compression, reading and writing side by side.
"""

from __future__ import annotations

import json
import math
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


def read_labelled(folder: Path) -> dict[str, xr.Dataset] | None:
    """Read labelled arrays that were written here.

    Args:
        folder: the store.

    Returns:
        The arrays of each node by its path, the root's is "/"; None where the store is written otherwise: xarray reads
        that, and says what is wrong with one that is damaged.
    """
    found: dict[str, xr.Dataset] = {}
    for described in sorted(folder.rglob("zarr.json")):
        metadata = json.loads(described.read_text(encoding="utf-8"))
        if metadata.get("node_type") != "group":
            continue
        where = described.parent
        variables: dict[str, xr.Variable] = {}
        for array in sorted(where.glob("*/zarr.json")):
            own = json.loads(array.read_text(encoding="utf-8"))
            if own.get("node_type") != "array":
                continue
            variable = _read_array(array.parent, own)
            if variable is None:
                return None
            variables[array.parent.name] = variable
        attributes = dict(metadata.get("attributes", {}))
        labels = str(attributes.pop(_COORDINATES, "")).split()
        coordinates = {n: v for n, v in variables.items() if n in labels or v.dims == (n,)}
        data = {n: v for n, v in variables.items() if n not in coordinates}
        path = where.relative_to(folder).as_posix()
        found["/" if path == "." else f"/{path}"] = xr.Dataset(data, coordinates, attributes)
    return found or None


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
    _describe(
        folder,
        _metadata(kind, list(values.shape), dict(variable.attrs), [str(name) for name in variable.dims]),
    )
    if values.size:
        content = _texts(values) if kind == "string" else _little(values).tobytes()
        _content(folder, values.ndim).write_bytes(content)


def _read_array(folder: Path, told: dict[str, Any]) -> xr.Variable | None:
    """Read an array; None where something else than `_write_array` has written it."""
    kind: Any = told.get("data_type")
    shape, attributes, dims = (told.get(key) for key in ("shape", "attributes", "dimension_names"))
    if shape is None or _metadata(kind, shape, attributes, dims) != told:
        return None
    file, count = _content(folder, len(shape)), math.prod(shape)
    if count and not file.is_file():
        return None
    content = bytearray(file.read_bytes() if count else b"")
    if kind == "string":
        values = _read_texts(content, count)
    else:
        fixed = isinstance(kind, dict)
        dtype = f"U{kind['configuration']['length_bytes'] // 4}" if fixed else kind
        values = np.frombuffer(content, np.dtype(dtype).newbyteorder("<"))
    return xr.Variable(dims, values.reshape(shape), attributes)


def _content(folder: Path, ndim: int) -> Path:
    return folder / ".".join(["c", *("0" for _ in range(ndim))])


def _metadata(kind: Any, shape: list[int], attributes: Any, dims: Any) -> dict[str, Any]:
    if isinstance(kind, dict) or kind == "string":
        fill: Any = ""
    else:
        fill = False if kind == "bool" else "NaN" if kind in _FLOATS else 0
    codec = (
        {"name": "vlen-utf8"}
        if kind == "string"
        else {"name": "bytes", "configuration": {"endian": "little"}}
    )
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": shape,
        "data_type": kind,
        "chunk_grid": {
            "name": "regular",
            "configuration": {"chunk_shape": [max(1, size) for size in shape]},
        },
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "."}},
        "fill_value": fill,
        "codecs": [codec],
        "attributes": attributes,
        "dimension_names": dims,
        "storage_transformers": [],
    }


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


def _read_texts(content: bytearray, count: int) -> np.ndarray[Any, Any]:
    texts, at = [], 4
    for _ in range(count):
        if at + 4 > len(content):
            raise ValueError("its texts end too early")
        (length,) = struct.unpack_from("<I", content, at)
        texts.append(content[at + 4 : at + 4 + length].decode())
        at += 4 + length
    return np.array(texts, dtype=np.dtypes.StringDType())


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"an attribute is {type(value).__name__} and no plain data")
