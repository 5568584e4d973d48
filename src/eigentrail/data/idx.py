"""The idx files that MNIST and its successors come in."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eigentrail.errors import DataError

_BYTES = 0x08  # the idx code of unsigned bytes, the only type these data sets use
_LARGEST = 2**33


def read_idx(path: Path, ndim: int) -> NDArray[np.uint8]:
    """Read an idx file of unsigned bytes, compressed with gzip or not.

    Args:
        path: the file.
        ndim: how many dimensions it shall have: 3 for images, 1 for labels.

    Returns:
        The array, [n, height, width] or [n].

    Raises:
        DataError: the file is damaged, cut short, or something else.
    """
    try:
        with path.open("rb") as file:
            compressed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if compressed else path.open("rb") as stream:
            magic = stream.read(4)
            if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] != _BYTES:
                raise DataError(
                    f"{path} does not begin like an idx file of bytes (it begins {magic.hex(' ') or 'with nothing'}, "
                    f"not 00 00 08 0{ndim}): delete it and fetch it again"
                )
            if magic[3] != ndim:
                kind = "images" if ndim == 3 else "labels"
                raise DataError(
                    f"{path} is an idx file of {magic[3]} dimensions where {kind} have {ndim}: was it renamed?"
                )
            header = stream.read(4 * ndim)
            if len(header) < 4 * ndim:
                raise DataError(
                    f"{path} ends inside its header: it was cut short; delete it and fetch it again"
                )
            shape = struct.unpack(f">{ndim}I", header)
            size = math.prod(shape)
            if size > _LARGEST:
                raise DataError(
                    f"{path} announces {shape} bytes, more than any such data set has: delete it and fetch it again"
                )
            # One byte more than announced tells whether there is more, without trusting the file with all memory.
            content = stream.read(size + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"{path} is damaged or was cut short ({error}): delete it and fetch it again"
        ) from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    if len(content) != size:
        found = f"only {len(content)}" if len(content) < size else "more"
        raise DataError(
            f"{path} announces {size} bytes of shape {shape} and holds {found}: delete it and fetch it again"
        )
    return np.frombuffer(content, np.uint8).reshape(shape)
