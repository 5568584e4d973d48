"""How a trajectory lies on disk: names of nodes, dimensions, chunks, and their Zarr v3 metadata.

Chunks are stored raw: weights look random to a compressor, which would save little and cost much. A chunk file
has its full size from the start (sparse, where the file system can) and is filled row by row; what lies behind the
committed length is never looked at. Where an array ends in its first file, the file is cut when the run is closed.

Each tensor has a node of its own, but many small ones of the same schedule share one, a pack: `weights` is then [step,
entry], and the node's attribute `packed` says which entries are whose. bfloat16 is stored as the bits of its numbers
(uint16), which are the upper half of those of a float32.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote

import numpy as np

METRICS = "metrics"
VALUES = "weights"
# The most that another reader has to read for one step of one tensor, of few steps and of thousands (where files of
# 4 MB would cost the recording of a network of megabytes a quarter more CPU), and the longest run of rows in one file.
CHUNK_BYTES = 4 * 2**20
LONG_CHUNK_BYTES = 16 * 2**20
CHUNK_ROWS = 4096
# No file for fewer rows than these, however few are expected: a training may go on for longer.
_FEWEST_ROWS = 64
_NAME_BYTES = 200
_PACK = "packed-"
_SPATIAL = {0: (), 1: ("k",), 2: ("kh", "kw"), 3: ("kd", "kh", "kw")}


def node_name(name: str) -> str:
    """Turn the name of a parameter or metric into the name of a Zarr node and folder.

    Letters, digits, dots, dashes and underscores stay; all else (slashes above all) is percent-encoded. The true
    name is kept in the node's attributes.

    Args:
        name: a parameter's name, which may hold dots, slashes and letters of any script.

    Returns:
        A name that is safe in paths, different for different parameters, and taken by nothing else in the store.
    """
    safe = quote(name, safe="").replace("~", "%7E")
    taken = safe in (METRICS, "zarr.json", "step", "epoch") or safe.startswith(("__", _PACK))
    if taken or not safe.strip("."):
        safe = f"%{ord(safe[0]):02X}" + safe[1:] if safe else "%"
    if len(safe) > _NAME_BYTES:
        safe = safe[: _NAME_BYTES - 21] + "%-" + hashlib.sha256(name.encode()).hexdigest()[:16]
    return safe


def pack_name(number: int) -> str:
    """Name the node of a pack.

    Args:
        number: its number, from 0.

    Returns:
        A name that no tensor's node has.
    """
    return f"{_PACK}{number}"


def dimensions(ndim: int, transposed: bool = False) -> tuple[str, ...]:
    """Name the dimensions of a parameter.

    Args:
        ndim: their number.
        transposed: True where the layer keeps its inputs first (transposed convolutions).

    Returns:
        ("out",) for a bias, ("out", "in") for a matrix, ("out", "in", "kh", "kw") for a convolution, ...
    """
    if ndim < 2:
        return ("out",)[:ndim]
    if ndim - 2 not in _SPATIAL:
        return tuple(f"axis_{i}" for i in range(ndim))
    return (("in", "out") if transposed else ("out", "in")) + _SPATIAL[ndim - 2]


@dataclass(frozen=True)
class ArraySpec:
    """One array that grows along its first axis.

    Attributes:
        dtype: numpy's name of the stored precision, such as "float32".
        row_shape: the shape of one row.
        dims: the names of the row's dimensions.
        chunk_rows: how many rows lie in one file.
    """

    dtype: str
    row_shape: tuple[int, ...]
    dims: tuple[str, ...]
    chunk_rows: int

    @classmethod
    def of(
        cls,
        dtype: str,
        row_shape: tuple[int, ...] = (),
        dims: tuple[str, ...] = (),
        rows: int | None = None,
    ) -> ArraySpec:
        """Choose the chunks of an array.

        Args:
            dtype: numpy's name of the stored precision.
            row_shape: the shape of one row.
            dims: the names of the row's dimensions.
            rows: how many rows there will be, if known.

        Returns:
            The array with as many rows in a chunk as a few megabytes hold, and not more than are expected.
        """
        row = max(1, int(np.prod(row_shape)) * np.dtype(dtype).itemsize)
        most = CHUNK_ROWS if rows is None else min(CHUNK_ROWS, max(_FEWEST_ROWS, rows))
        size = CHUNK_BYTES if most < CHUNK_ROWS else LONG_CHUNK_BYTES
        return cls(dtype, row_shape, dims, min(most, max(1, size // row)))

    @cached_property
    def row_bytes(self) -> int:
        """The bytes of one row."""
        return math.prod(self.row_shape) * np.dtype(self.dtype).itemsize

    def chunk_file(self, chunk: int) -> str:
        """Name the file of a chunk.

        Args:
            chunk: its number along the first axis.

        Returns:
            The file's name inside the array's folder.
        """
        return ".".join(["c", str(chunk), *("0" for _ in self.row_shape)])

    def metadata(self, rows: int | str, attributes: dict[str, Any]) -> dict[str, Any]:
        """Describe the array as Zarr v3 does.

        Args:
            rows: the number of rows, or a placeholder for it.
            attributes: the array's attributes.

        Returns:
            The content of its `zarr.json`.
        """
        return {
            "zarr_format": 3,
            "node_type": "array",
            "shape": [rows, *self.row_shape],
            "data_type": self.dtype,
            "chunk_grid": {
                "name": "regular",
                "configuration": {"chunk_shape": [self.chunk_rows, *self.row_shape]},
            },
            # Dots keep the chunks of an array in one folder.
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "."}},
            # Rows without a file are told as missing, never as zeros.
            "fill_value": "NaN" if self.dtype.startswith("float") else 0,
            "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
            "attributes": attributes,
            "dimension_names": ["step", *self.dims],
            "storage_transformers": [],
        }

    @classmethod
    def from_metadata(cls, metadata: dict[str, Any]) -> ArraySpec:
        """Read the description of an array that `metadata` wrote.

        Args:
            metadata: the content of a `zarr.json`.

        Returns:
            The array.
        """
        return cls(
            metadata["data_type"],
            tuple(metadata["shape"][1:]),
            tuple(metadata["dimension_names"][1:]),
            metadata["chunk_grid"]["configuration"]["chunk_shape"][0],
        )


def group_metadata(attributes: dict[str, Any]) -> dict[str, Any]:
    """Describe a group as Zarr v3 does.

    Args:
        attributes: the group's attributes.

    Returns:
        The content of its `zarr.json`, without consolidated metadata.
    """
    return {"zarr_format": 3, "node_type": "group", "attributes": attributes}


_ROWS = "@rows"


class NodeText:
    """The metadata of one node and its arrays as JSON text, made once and filled with the number of rows.

    A commit of a large network would otherwise spend its time serialising thousands of unchanged descriptions.
    """

    def __init__(
        self, node: str, attributes: dict[str, Any], arrays: dict[str, tuple[ArraySpec, dict[str, Any]]]
    ):
        self.parts = {node: json.dumps(group_metadata(attributes))}
        for array, (spec, of_array) in arrays.items():
            self.parts[f"{node}/{array}"] = json.dumps(spec.metadata(_ROWS, of_array))
        self._template = ",".join(f"{json.dumps(key)}:{text}" for key, text in self.parts.items())
        self._filled = (-1, "")

    def filled(self, rows: int) -> str:
        """Write the members of the consolidated metadata.

        Args:
            rows: the committed number of rows.

        Returns:
            `"node": {...}, "node/array": {...}, ...` without braces around it.
        """
        if self._filled[0] != rows:
            self._filled = (rows, self._template.replace(f'["{_ROWS}"', f"[{rows}"))
        return self._filled[1]

    def files(self, rows: int) -> dict[str, str]:
        """Write the `zarr.json` of the node and of each of its arrays.

        Args:
            rows: the committed number of rows.

        Returns:
            {path inside the store: content}.
        """
        return {key: text.replace(f'["{_ROWS}"', f"[{rows}") for key, text in self.parts.items()}
