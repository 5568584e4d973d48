"""What every source of weights offers: a list of its tensors, and one tensor at a time.

A store never holds the numbers of a file: `read` opens the file, takes one tensor out of it and closes it
again, so that at most one tensor is in memory whatever the size of the checkpoint.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class TensorEntry:
    """One tensor of a store, known without reading it.

    Attributes:
        name: its name in the state dict, wrappers' prefixes (`module.`, `_orig_mod.`) taken off.
        shape: its sizes; () for a single number.
        dtype: the stored precision as torch names it, such as "float32" or "float8_e4m3fn".
        nbytes: its size in bytes as stored.
        aliases: the other names of the same numbers (tied weights), sorted; the tensor is listed once.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    nbytes: int
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Skipped:
    """Something that is not analysed.

    Attributes:
        name: the tensor or file.
        reason: why not, and where possible what to do about it.
    """

    name: str
    reason: str


@dataclass(frozen=True)
class ModuleHint:
    """What an `nn.Module` tells about one of its parameters and a file cannot.

    Attributes:
        class_name: the class of the module that owns the parameter; for a subclass of one of torch's layers
            the
            name of torch's layer ("Linear", "Conv2d", "ConvTranspose2d", "LSTM", ...).
        groups: the number of groups of a convolution.
        transposed: True for transposed convolutions, whose weight is [in, out / groups, ...].
        num_heads: the number of attention heads, where the module says so.
        hidden_size: the width of a recurrent layer's state, where the module says so.
        buffer: the tensor is no parameter: no training moves it.
        inputs_first: a matrix that is stored [in, out].
    """

    class_name: str
    groups: int = 1
    transposed: bool = False
    num_heads: int | None = None
    hidden_size: int | None = None
    buffer: bool = False
    inputs_first: bool = False


class TensorStore(ABC):
    """A source of named tensors: what is there, and one tensor at a time.

    Attributes:
        source: what people call it: the path, or what kind of object it is.
        entries: the tensors by name, in the order of the source.
        skipped: what cannot be read as a tensor, each with its reason.
        config: the settings beside the weights (`config.json`, or an adapter's `adapter_config.json`); {} if
            none.
        modules: what the module says about its parameters, by name; {} unless the source is an `nn.Module`.
    """

    source: str
    entries: dict[str, TensorEntry]
    skipped: list[Skipped]
    config: Mapping[str, Any]
    modules: Mapping[str, ModuleHint]

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """A stable identity of the content: equal exactly if an interrupted piece of work may go on."""

    @abstractmethod
    def read(self, name: str) -> Tensor:
        """Read one tensor.

        Args:
            name: one of `entries`, or one of their aliases.

        Returns:
            The tensor in its stored precision and shape, on the device where the source keeps it.

        Raises:
            KeyError: there is no tensor of that name.
            SourceError: its numbers cannot be read.
        """

    @abstractmethod
    def read_rows(self, name: str, start: int, stop: int) -> Tensor:
        """Read a part of a tensor along its first axis, without the rest where the source allows it.

        Args:
            name: one of `entries`, or one of their aliases.
            start: the first entry.
            stop: one past the last.

        Returns:
            [stop - start, ...] in the stored precision.

        Raises:
            KeyError: there is no tensor of that name.
            SourceError: its numbers cannot be read.
        """
