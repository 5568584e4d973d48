"""Keras files of weights: HDF5 of any version (`.h5`, `.weights.h5`) and the `.keras` archive around it.

Read by the package `h5py` (the extra `keras`). Kernels are stored inputs first and are turned as Flax's are; Keras 3
numbers a layer's variables, of which the first one with two axes or more is the kernel.
"""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from eigentrail.errors import SourceError
from eigentrail.weights.readers.npz_file import tensor_of, torch_dtype, why_no_tensor
from eigentrail.weights.slots import Listing, Slot, file_stamp
from eigentrail.weights.store import Skipped

_INSIDE = "model.weights.h5"
_LARGEST_INSIDE = 2**34
_VARIABLE = re.compile(r"(?P<layer>.*)/vars/(?P<number>\d+)")


@dataclass(frozen=True)
class Hdf5Slot(Slot):
    """A data set of an HDF5 file.

    Attributes:
        path: the file, or the archive that holds it.
        member: the data set's path.
    """

    path: Path
    member: str

    def read(self) -> Tensor:
        """Read the data set.

        Returns:
            The tensor.

        Raises:
            SourceError: the file changed or is damaged.
        """
        try:
            with _open(self.path) as file:
                return tensor_of(np.asarray(file[self.member][()]).reshape(self.shape))
        except (OSError, KeyError, ValueError, RuntimeError) as error:
            raise SourceError(
                f"{self.path}: `{self.name}` is damaged ({error}); make or download it again."
            ) from error


def list_hdf5(path: Path) -> Listing:
    """List the data sets of a Keras file.

    Args:
        path: the file.

    Returns:
        Its tensors, the optimiser's left out.

    Raises:
        SourceError: the file is damaged, or `h5py` is not installed.
    """
    import h5py

    found: list[tuple[str, Any]] = []

    def visit(member: str, node: Any) -> None:
        if isinstance(node, h5py.Dataset):
            found.append((member, node))

    slots: list[Slot] = []
    skipped: list[Skipped] = []
    try:
        with _open(path) as file:
            file.visititems(visit)
            for member, node in found:
                name = _name(member, len(node.shape or ()))
                dtype = torch_dtype(node.dtype)
                if name.startswith(("optimizer/", "optimizer_weights/")):
                    skipped.append(Skipped(name, "state of the optimiser, not a weight"))
                elif dtype is None or node.shape is None:
                    skipped.append(Skipped(name, why_no_tensor(node.dtype)))
                else:
                    slots.append(Hdf5Slot(name, tuple(node.shape), dtype, None, path, member))
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise SourceError(
            f"{path}: the HDF5 file is damaged ({error}); make or download it again."
        ) from error
    names = "\n".join(f"{slot.name}{slot.shape}" for slot in slots)
    return Listing(slots, skipped, {}, file_stamp(path, names.encode("utf-8", "surrogatepass")))


def _open(path: Path) -> Any:
    try:
        import h5py
    except ImportError as error:
        raise SourceError(
            f"{path}: a Keras file, which the package h5py reads: install eigentrail[keras]."
        ) from error
    if not zipfile.is_zipfile(path):
        return h5py.File(path, "r")
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(_INSIDE)
        if info.file_size > min(_LARGEST_INSIDE, 200 * max(info.compress_size, 1) + 2**20):
            raise ValueError(f"{_INSIDE} would unpack to {info.file_size} bytes")
        return h5py.File(BytesIO(archive.read(info)), "r")


def _name(member: str, axes: int) -> str:
    member = re.sub(r":\d+$", "", member)
    found = _VARIABLE.fullmatch(member)
    if not found:
        return member
    leaf = {"0": "embeddings" if "embedding" in found["layer"] else "kernel", "1": "bias"}.get(
        found["number"]
    )
    fits = leaf is not None and (axes == 1) == (leaf == "bias")
    return f"{found['layer']}/{leaf}" if fits else member
