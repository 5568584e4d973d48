"""Archives of numpy arrays (`numpy.savez`); pickled objects in them are never opened."""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eigentrail.errors import SourceError
from eigentrail.weights.slots import Listing, Slot, file_stamp, plausible_shape
from eigentrail.weights.store import Skipped

# What a broken archive makes zipfile and numpy's header parser raise.
BROKEN = (
    zipfile.BadZipFile, zlib.error, OSError, ValueError, EOFError, NotImplementedError, RuntimeError,
    SyntaxError, tokenize.TokenError, OverflowError, KeyError, TypeError, RecursionError,
)  # fmt: skip
_LONGEST_NPY_HEADER = 10_000
# Deflate packs at most about 1030 to 1, and trained weights hardly at all: a large member that unpacks to
# more than 200 times its size is there to fill the memory.
_BOMB_RATIO, _BOMB_SIZE = 200, 2**28


def tensor_of(array: NDArray[Any]) -> Tensor:
    """Make a tensor of an array.

    Args:
        array: numbers of a precision that torch has too, in any byte order and layout.

    Returns:
        The tensor; it shares memory with `array` where that can be.

    Raises:
        TypeError: torch has no such precision.
    """
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    if not native.flags.writeable or any(step < 0 for step in native.strides):
        native = native.copy()
    return torch.from_numpy(native)


def torch_dtype(dtype: np.dtype[Any]) -> torch.dtype | None:
    """Find torch's name of a numpy precision.

    Args:
        dtype: a numpy precision.

    Returns:
        The precision of torch, or None where torch has none (objects, text, records, extended precision).
    """
    try:
        return torch.from_numpy(np.empty(0, dtype.newbyteorder("="))).dtype
    except TypeError:
        return None


def why_no_tensor(dtype: np.dtype[Any]) -> str:
    """Say why an array cannot be read as a tensor.

    Args:
        dtype: a precision for which `torch_dtype` is None.

    Returns:
        The reason.
    """
    if dtype.hasobject:
        return "holds Python objects, which can run code when they are opened; save it as an array of numbers"
    if dtype.kind == "V" and dtype.names is None and dtype.itemsize in {1, 2}:
        return f"raw bytes ({dtype}): numpy has no bfloat16 or float8; save it as float32 or in safetensors"
    return f"its entries are {dtype}, which are no numbers that torch has; save it as float32"


@dataclass(frozen=True)
class NpzSlot(Slot):
    """An array in an archive.

    Attributes:
        path: the archive.
        member: the name inside the archive.
    """

    path: Path
    member: str

    def read(self) -> Tensor:
        """Bring the array into memory.

        Returns:
            The tensor.

        Raises:
            SourceError: the archive is damaged or changed since it was opened.
        """
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(self.member) as file:
                array = np.lib.format.read_array(file, allow_pickle=False)
                # The archive compares the checksum only when the member is read to its end.
                if file.read(1) or array.shape != self.shape:
                    raise SourceError(
                        f"{self.path}: `{self.name}` changed since it was opened; open it again."
                    )
                return tensor_of(array).contiguous()
        except BROKEN as error:
            raise SourceError(
                f"{self.path}: `{self.name}` is damaged ({error}); make or download the file again."
            ) from error


def list_npz(path: Path) -> Listing:
    """List the arrays of a numpy archive.

    Args:
        path: the file.

    Returns:
        Its arrays and stamp; an array that cannot be read is skipped with its reason.

    Raises:
        SourceError: the archive as a whole cannot be read.
    """
    slots: list[Slot] = []
    skipped: list[Skipped] = []
    stamp: list[tuple[str, int, int]] = []
    names: set[str] = set()
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                stamp.append((info.filename, info.file_size, info.CRC))
                name = info.filename.removesuffix(".npy")
                if name == info.filename:
                    continue
                if name in names:
                    raise SourceError(f"{path}: the archive holds `{name}` twice; make or download it again.")
                names.add(name)
                try:
                    found = _look(archive, info, name, path)
                except BROKEN as error:
                    found = Skipped(name, f"damaged ({error}); make or download {path.name} again")
                if isinstance(found, Slot):
                    slots.append(found)
                else:
                    skipped.append(found)
    except BROKEN as error:
        raise SourceError(f"{path}: the archive is damaged ({error}); make or download it again.") from error
    return Listing(slots, skipped, {}, file_stamp(path, repr(stamp).encode("utf-8", "surrogatepass")))


def _look(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, path: Path) -> Slot | Skipped:
    # Read the header of one array and hold it against what the archive says about the member's size.
    with archive.open(info) as file:
        shape, dtype = _npy_header(file)
        header = file.tell()
    kind = torch_dtype(dtype)
    if kind is None:
        return Skipped(name, why_no_tensor(dtype))
    if not plausible_shape(shape) or header + prod(shape) * dtype.itemsize != info.file_size:
        return Skipped(
            name,
            f"declares the shape {str(list(shape))[:100]}, which does not fit its {info.file_size} bytes; "
            f"make or "
            f"download {path.name} again",
        )
    if info.file_size > _BOMB_SIZE and info.file_size > _BOMB_RATIO * max(info.compress_size, 1):
        return Skipped(
            name,
            f"{info.compress_size} bytes would unpack to {info.file_size}: no trained weights, but an "
            f"archive made to "
            "fill the memory; it was left packed",
        )
    return NpzSlot(name, tuple(shape), kind, None, path, info.filename)


def _npy_header(file: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file, max_header_size=_LONGEST_NPY_HEADER)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(file, max_header_size=_LONGEST_NPY_HEADER)
    else:
        raise ValueError(f"written in version {version} of numpy's format, which is for records only")
    return shape, dtype
