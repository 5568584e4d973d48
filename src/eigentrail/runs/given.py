"""What its user gives to a run that does not say it itself: the network, the samples, the loss."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import CodeType
from typing import Any, Literal

import torch
from torch import nn

from eigentrail._names import FOREIGN, first_line
from eigentrail.errors import DataError, RunError
from eigentrail.runs.data_description import describe_data, samples_in
from eigentrail.runs.manifest import import_path
from eigentrail.runs.selection import unwrap

Part = Literal["train", "test"]


@dataclass(frozen=True)
class Given:
    """A network, samples and a loss that stand in for those that a run names.

    Attributes:
        model: the network (its weights do not matter, each use loads those of a step into a copy), or a class or
            function that gives one when called without arguments; None for what the run names.
        data: a `Data`, a data set's name, a pair of tensors, a Dataset or a DataLoader, or {"train": ..., "test": ...}
            of these; None for what the run names.
        loss: loss(outputs, targets), a mean over samples, or "cross-entropy" or "squared-error"; None for what the run
            names.

    Raises:
        RunError: the network is neither a module nor callable, or the loss neither a name nor callable.
        DataError: a mapping of samples has other parts than "train" and "test".
    """

    model: nn.Module | Callable[[], nn.Module] | None = None
    data: Any = None
    loss: Callable[..., torch.Tensor] | str | None = None

    def __post_init__(self) -> None:
        if self.model is not None and not callable(self.model):
            raise RunError(
                f"model is a {type(self.model).__name__}: give a torch.nn.Module, or a function that makes one"
            )
        if self.loss is not None and not callable(self.loss) and self.loss not in LOSSES:
            raise RunError(
                f"loss is {self.loss!r}: give loss(outputs, targets), or one of {', '.join(LOSSES)}"
            )
        if isinstance(self.data, Mapping) and not ({"train"} <= set(self.data) <= {"train", "test"}):
            raise DataError(
                f"data has the parts {', '.join(map(repr, self.data)) or 'none'}: give tensors (inputs, targets), a "
                'Dataset, a DataLoader, or {"train": ..., "test": ...} of these'
            )

    def __bool__(self) -> bool:
        return any(one is not None for one in (self.model, self.data, self.loss))

    def network(self) -> nn.Module:
        """Make a network to load weights into.

        Returns:
            A copy of the given one on the CPU, in its mode; or what the given function makes.

        Raises:
            RunError: it cannot be copied or made.
        """
        try:
            made = copy.deepcopy(unwrap(self.model)) if isinstance(self.model, nn.Module) else self._called()
        except FOREIGN as error:
            raise RunError(
                f"the network that was given cannot be made ({type(error).__name__}: {first_line(error)}): give a "
                "module, or a class or function that is called without arguments"
            ) from error
        if not isinstance(made, nn.Module):
            raise RunError(f"model() gives a {type(made).__name__}: it has to give a torch.nn.Module")
        return made.cpu()

    def _called(self) -> Any:
        assert self.model is not None
        return self.model()

    def samples(self, part: Part) -> Any:
        """Choose a part of the samples.

        Args:
            part: which.

        Returns:
            What was given for it: with one set of samples alone, those are the training's.

        Raises:
            DataError: there are no held-out samples.
        """
        whole = not isinstance(self.data, Mapping)
        if whole and (part == "train" or not _are_pairs(self.data)):
            return self.data
        if whole or part not in self.data:
            raise DataError(f'there are no {part} samples: give data={{"train": ..., "test": ...}}')
        return self.data[part]

    @cached_property
    def told(self) -> dict[str, str]:
        """By what is given ("model", "data", "loss"), a digest: results of other things are not mistaken for these.

        Of a network its kind, layers, code, and the values that are no parameters; of samples their values; of a
        function its name and code. A change in what it calls is not seen.
        """
        found = {"model": self.model, "data": self.data, "loss": self.loss}
        return {name: _digest(name, one) for name, one in found.items() if one is not None}


#: The losses that have names.
LOSSES = ("cross-entropy", "squared-error")
# Bytes of samples that enter a digest; of larger ones as many, spread evenly.
_HASHED = 2**24


def _are_pairs(data: Any) -> bool:
    return not (isinstance(data, str) or hasattr(data, "test_inputs"))


def _digest(what: str, value: Any) -> str:
    found = hashlib.sha256()
    if isinstance(value, nn.Module):
        module = unwrap(value)
        found.update(f"{import_path(type(module))}{module!r}".encode())
        _add_code(found, type(module).forward)
        for name, buffer in module.named_buffers():
            found.update(name.encode())
            _add_tensor(found, buffer)
    elif what == "data" and isinstance(value, Mapping):
        for part in sorted(value):
            found.update(f"{part}{_digest(what, value[part])}".encode())
    elif what == "data":
        described = describe_data(value)
        pair = None if described and "fingerprint" in described else samples_in(value)
        found.update(repr(described).encode())
        for tensor in pair or ():
            _add_tensor(found, tensor)
    elif isinstance(value, str):
        found.update(value.encode())
    else:
        _add_code(found, value)
    return found.hexdigest()[:16]


def _add_tensor(found: Any, tensor: torch.Tensor) -> None:
    flat = tensor.detach().cpu().reshape(-1)
    flat = flat[:: max(1, flat.numel() * flat.element_size() // _HASHED)].contiguous()
    found.update(f"{tuple(tensor.shape)}{tensor.dtype}".encode())
    found.update(flat.view(torch.uint8).numpy().tobytes())


def _add_code(found: Any, value: Any) -> None:
    """Add a function's name, code and what it closes over, or a class's name, or a callable object's."""
    named = value if hasattr(value, "__qualname__") else type(value)
    found.update(import_path(named).encode())
    code = getattr(value, "__code__", None)
    if isinstance(code, CodeType):
        _add_instructions(found, code)
        cells = getattr(value, "__closure__", None) or ()
        found.update(
            repr([repr(cell.cell_contents) for cell in cells if _is_plain(cell.cell_contents)]).encode()
        )


def _is_plain(value: Any) -> bool:
    return isinstance(value, (str, int, float, bool, type(None)))


def _add_instructions(found: Any, code: CodeType) -> None:
    found.update(code.co_code)
    found.update(repr(code.co_names).encode())
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            _add_instructions(found, constant)
        else:
            found.update(repr(constant).encode())
