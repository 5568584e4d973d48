"""The original Python batches of CIFAR, read without ever running what is in them.

They are pickles, which may call anything. Here every name in one stands for a small stand-in of ours: an array is its
shape and bytes, checked; there is nothing else that a pickle could call.
"""

from __future__ import annotations

import io
import math
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from eigentrail.data.dataset import outside
from eigentrail.errors import DataError

_LARGEST = 2**30


class _Array:
    """Stands for numpy.ndarray: keeps the pixels that the pickle gives it."""

    pixels: NDArray[np.uint8] | None = None

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, content = state
        if isinstance(content, str):
            content = content.encode("latin1")
        sides = tuple(shape)
        if not isinstance(dtype, _Dtype) or dtype.code not in ("u1", b"u1") or not isinstance(content, bytes):
            raise pickle.UnpicklingError("an array that does not hold bytes")
        if len(content) != math.prod(sides):
            raise pickle.UnpicklingError(f"an array of shape {sides} with {len(content)} bytes")
        self.pixels = np.frombuffer(content, np.uint8).reshape(sides, order="F" if fortran else "C")


class _Dtype:
    """Stands for numpy.dtype: keeps the code."""

    def __init__(self, code: Any = None, *_: Any) -> None:
        self.code = code

    def __setstate__(self, state: Any) -> None:
        """Take what a dtype keeps besides its code, the byte order, which bytes have none of."""


def _reconstruct(*_: Any) -> _Array:
    return _Array()


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", b"latin1"):
        raise pickle.UnpicklingError("a text in another encoding")
    return text.encode("latin1")


_STAND_INS = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
}


# The reader written in Python: the one in C makes room for every place that a hostile file numbers.
class _Unpickler(pickle._Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _STAND_INS[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no such file needs") from None


def read_batches(
    files: Sequence[Path], label: str, side: int, classes: int
) -> tuple[NDArray[np.uint8], torch.Tensor]:
    """Read images and labels of several batches.

    Args:
        files: the batches, in order.
        label: what the labels are called in them.
        side: the height and width of the images, in pixels.
        classes: the number of classes.

    Returns:
        Images [n, 3, side, side] and labels [n].

    Raises:
        DataError: a file is damaged, something else, or asks for anything but arrays.
    """
    images, labels = [], []
    for path in files:
        content = _read(path)
        pixels = _entry(content, "data", path)
        found = pixels.pixels if isinstance(pixels, _Array) else None
        if found is None or found.ndim != 2 or found.shape[1] != 3 * side * side:
            shape = None if found is None else found.shape
            raise DataError(
                f'"data" of {path} has shape {shape} where rows of 3 x {side} x {side} pixels belong: delete '
                "it and fetch it again"
            )
        numbers = _entry(content, label, path)
        if not isinstance(numbers, list) or not all(type(number) is int for number in numbers):
            raise DataError(f'"{label}" of {path} is no list of class numbers: delete it and fetch it again')
        if len(numbers) != len(found):
            raise DataError(
                f"{path} holds {len(found)} images and {len(numbers)} labels: delete it and fetch it again"
            )
        # Before they are a tensor: a pickle's numbers may be of any size.
        if wrong := [place for place, number in enumerate(numbers) if not 0 <= number < classes]:
            raise DataError(outside(str(path), wrong[0], numbers[wrong[0]], classes, len(wrong)))
        images.append(found.reshape(-1, 3, side, side))
        labels.append(torch.tensor(numbers, dtype=torch.int64))
    return np.concatenate(images), torch.cat(labels)


def _read(path: Path) -> dict[Any, Any]:
    try:
        if path.stat().st_size > _LARGEST:
            raise DataError(f"{path} is larger than any such batch: delete it and fetch it again")
        content = _Unpickler(io.BytesIO(path.read_bytes()), encoding="bytes").load()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    except DataError:
        raise
    except Exception as error:
        # A damaged pickle may fail in every way there is.
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise DataError(
            f"{path} is no batch of images, is damaged or was cut short ({reason}): delete it and fetch it again"
        ) from error
    if not isinstance(content, dict):
        raise DataError(
            f"{path} holds a {type(content).__name__}, not a batch of images: delete it and fetch it again"
        )
    return content


def _entry(content: dict[Any, Any], name: str, path: Path) -> Any:
    for key in (name.encode(), name):
        if key in content:
            return content[key]
    raise DataError(f'{path} has no "{name}": give the files of the data set')
