"""What stands in for the objects of a pickle: tensors as places in the file, everything unknown as inert data.

No class of a file is ever looked up. An object of an unknown class becomes a mapping of what it holds, so that the
tensors in a configuration, a buffer or a whole pickled module are still found by their names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import torch


@dataclass(frozen=True)
class Storage:
    """A storage that a pickle refers to.

    Attributes:
        key: its name in the file.
        dtype: the precision of its numbers.
        shift: where a view of it begins, in elements.
    """

    key: str
    dtype: torch.dtype
    shift: int = 0


@dataclass(frozen=True)
class StoredTensor:
    """A tensor as the pickle describes it; its numbers stay in the file.

    Attributes:
        storage: where its numbers are.
        offset: its first element in the storage.
        shape: its sizes.
        strides: steps between elements, in elements.
        dtype: its precision.
    """

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: torch.dtype

    @property
    def contiguous(self) -> bool:
        """Whether the elements lie row by row without gaps."""
        step = 1
        for size, stride in zip(reversed(self.shape), reversed(self.strides), strict=True):
            if size > 1 and stride != step:
                return False
            step *= size
        return True

    @property
    def last(self) -> int:
        """The place behind the last element, counted from the first one, in elements."""
        if prod(self.shape) == 0:
            return 0
        return 1 + sum((size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True))


@dataclass(frozen=True)
class Unreadable:
    """A tensor of a kind that is not read.

    Attributes:
        reason: what it is and what to do.
    """

    reason: str


@dataclass(frozen=True)
class Global:
    """A class or function that a pickle names; only the name.

    Attributes:
        name: "module.name".
    """

    name: str


class StandIn(dict[Any, Any]):
    """An object of a class that is not rebuilt: a mapping of what it holds, which can do nothing.

    Attributes:
        kind: the class or function that the file names.

    Args:
        kind: the name.
        arguments: what the object was to be made of; mappings among them are kept.
    """

    def __init__(self, kind: str, arguments: tuple[Any, ...] = ()) -> None:
        super().__init__()
        self.kind = kind
        for argument in arguments:
            if isinstance(argument, Mapping):
                self.update(argument)

    def add(self, value: Any) -> None:
        """Take an element as a list would.

        Args:
            value: the element.
        """
        self[len(self)] = value

    def build(self, state: Any) -> None:
        """Take what the object would have been given as its state.

        Args:
            state: usually its attributes by name; those of an `nn.Module` give its parameters, buffers and submodules.
        """
        for part in state if isinstance(state, tuple) else (state,):
            if not isinstance(part, Mapping):
                continue
            parameters, modules = part.get("_parameters"), part.get("_modules")
            if isinstance(parameters, Mapping) and isinstance(modules, Mapping):
                passing = part.get("_non_persistent_buffers_set")
                passing = passing if isinstance(passing, list) else []
                buffers = part.get("_buffers")
                self.update(parameters)
                self.update({k: v for k, v in dict(buffers or {}).items() if k not in passing})
                self.update(modules)
            else:
                self.update(part)
