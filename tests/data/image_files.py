"""Writers of small files in the formats of the real data sets."""

from __future__ import annotations

import gzip
import io
import struct
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image


def idx_bytes(array: np.ndarray) -> bytes:
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()


def write_idx(path: Path, array: np.ndarray, compress: bool = True) -> None:
    content = idx_bytes(array)
    path.write_bytes(gzip.compress(content) if compress else content)


def png(image: np.ndarray, format: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format=format)
    return buffer.getvalue()


def write_parquet(path: Path, images: list[bytes | None], labels: list[int | None], **columns: str) -> None:
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    rows = [None if each is None else {"bytes": each, "path": None} for each in images]
    names = (columns.get("image", "img"), columns.get("label", "label"))
    table = pa.table([pa.array(rows, kind), pa.array(labels, pa.int64())], names=list(names))
    pq.write_table(table, path)
