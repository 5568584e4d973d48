"""Flax files of weights (`flax_model.msgpack`): nested maps whose arrays are extensions of MessagePack.

Read by the package `msgpack` (the extra `flax`); nothing but maps, numbers, texts and arrays can come out of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from eigentrail.errors import SourceError
from eigentrail.weights.slots import Listing, Slot, TensorSlot, file_stamp, plausible_shape
from eigentrail.weights.store import Skipped

_ARRAY = 1
_DEPTH = 64


def list_msgpack(path: Path) -> Listing:
    """List the arrays of a Flax file, which is read whole.

    Args:
        path: the file.

    Returns:
        Its tensors, pieces of their names divided by slashes.

    Raises:
        SourceError: the file is damaged, or `msgpack` is not installed.
    """
    try:
        import msgpack
    except ImportError as error:
        raise SourceError(
            f"{path}: a Flax file, which the package msgpack reads: install eigentrail[flax]."
        ) from error
    try:
        content = path.read_bytes()
        tree = msgpack.unpackb(content, raw=False, strict_map_key=False, ext_hook=_extension)
    except (ValueError, TypeError, OSError, msgpack.exceptions.UnpackException, RecursionError) as error:
        raise SourceError(
            f"{path}: the Flax file is cut or damaged ({error}); make or download it again."
        ) from error
    slots: list[Slot] = []
    skipped: list[Skipped] = []
    branches: list[tuple[str, Any, int]] = [("", tree, 0)]
    while branches:
        prefix, node, depth = branches.pop()
        if isinstance(node, Mapping) and depth < _DEPTH:
            branches.extend(
                (f"{prefix}/{key}" if prefix else str(key), value, depth + 1) for key, value in node.items()
            )
        elif isinstance(node, Tensor):
            slots.append(TensorSlot.of(prefix.removeprefix("params/"), node))
        elif isinstance(node, str) and node.startswith("an array"):
            skipped.append(Skipped(prefix, node))
    slots.sort(key=lambda slot: slot.name)
    return Listing(slots, skipped, {}, file_stamp(path, content[: 2**16]))


def _extension(code: int, data: bytes) -> Any:
    import msgpack

    if code != _ARRAY:
        return None
    shape, kind, raw = msgpack.unpackb(data, raw=True)
    dtype = getattr(torch, kind.decode(), None)
    if not isinstance(dtype, torch.dtype):
        return f"an array of {kind.decode()}, which torch does not have"
    shape = tuple(shape)
    if not plausible_shape(shape) or prod(shape) * dtype.itemsize != len(raw):
        return f"an array whose shape {list(shape)} does not fit its {len(raw)} bytes"
    if not raw:
        return torch.empty(shape, dtype=dtype)
    return torch.frombuffer(bytearray(raw), dtype=dtype).reshape(shape)
