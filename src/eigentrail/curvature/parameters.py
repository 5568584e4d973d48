"""Which parameters of a network a curvature is in, and where each stands in its vectors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import nn

from eigentrail.errors import CurvatureError
from eigentrail.runs.selection import clean_name, match, no_match, unwrap


@dataclass(frozen=True)
class Parameters:
    """Chosen parameters in the order of `named_parameters`, row-major one behind the other.

    Attributes:
        model: the network without the wrappers of data-parallel training and compilation.
        paths: name of each chosen parameter -> its path in the model.
        shapes: name -> shape.
    """

    model: nn.Module
    paths: dict[str, str]
    shapes: dict[str, torch.Size]

    @property
    def names(self) -> list[str]:
        """The names in their order."""
        return list(self.paths)

    @cached_property
    def n(self) -> int:
        """Number of parameters."""
        return sum(shape.numel() for shape in self.shapes.values())

    @cached_property
    def slices(self) -> dict[str, slice]:
        """Where each parameter stands in a vector."""
        found, start = {}, 0
        for name, shape in self.shapes.items():
            found[name] = slice(start, start + shape.numel())
            start += shape.numel()
        return found

    def split(self, vectors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """See vectors [n] or [k, n] as one tensor for each parameter, [...] or [k, ...]."""
        lead = vectors.shape[:-1]
        parts = torch.split(vectors, [shape.numel() for shape in self.shapes.values()], dim=-1)
        return tuple(
            part.reshape(*lead, *shape) for part, shape in zip(parts, self.shapes.values(), strict=True)
        )

    def join(self, parts: Iterable[torch.Tensor], batched: bool = False) -> torch.Tensor:
        """Put one tensor for each parameter, [...] or [k, ...], into vectors [n] or [k, n]."""
        return torch.cat([part.flatten(int(batched)) for part in parts], dim=-1)


def choose(model: nn.Module, layers: str | Sequence[str] | None) -> Parameters:
    """Choose parameters of a network.

    Args:
        model: the network; wrappers of data-parallel training and of compilation are seen through.
        layers: globs over parameter names, where a module's name stands for its weight, or for all its parameters
            if it has none of that name; None for all parameters that require a gradient. A tied parameter is counted
            once, under the first of its names.

    Returns:
        The parameters.

    Raises:
        CurvatureError: a glob fits none, or a chosen one has no values, is not floating or is sharded.
    """
    inner = unwrap(model)
    first: dict[int, str] = {}
    alias: dict[str, str] = {}
    found: dict[str, tuple[str, nn.Parameter]] = {}
    for path, parameter in inner.named_parameters(remove_duplicate=False):
        name = clean_name(path)
        alias[name] = first.setdefault(id(parameter), name)
        if alias[name] == name:
            found[name] = (path, parameter)
    if layers is None:
        chosen = {name for name, (_, parameter) in found.items() if parameter.requires_grad}
        if not chosen:
            raise CurvatureError(
                f"no parameter of {type(inner).__name__} requires a gradient: name the layers, or unfreeze some."
                if found
                else f"{type(inner).__name__} has no parameters."
            )
    else:
        chosen = {alias[name] for glob in _listed(layers) for name in _fitting(glob, list(alias))}
    for name in chosen:
        _check(name, found[name][1])
    names = [name for name in found if name in chosen]
    return Parameters(
        inner, {name: found[name][0] for name in names}, {name: found[name][1].shape for name in names}
    )


def _listed(layers: str | Sequence[str]) -> list[str]:
    globs = (
        [layers] if isinstance(layers, str) else list(layers) if isinstance(layers, Iterable) else [layers]
    )
    for glob in globs:
        if not isinstance(glob, str):
            raise CurvatureError(
                f"layers holds {glob!r}: give names or globs of parameters as text, or leave it out for the whole "
                "network."
            )
    if not globs:
        raise CurvatureError(
            "layers is empty: name at least one layer, or leave it out for the whole network."
        )
    return globs


def _fitting(glob: str, names: list[str]) -> list[str]:
    fitting = match(glob, names) or [name for name in names if name.startswith(f"{glob}.")]
    if not fitting:
        raise CurvatureError(f"{no_match(glob, names)}.")
    return fitting


def _check(name: str, parameter: nn.Parameter) -> None:
    if isinstance(parameter, nn.UninitializedParameter):
        raise CurvatureError(f"{name} has no shape yet: run one batch through the model first.")
    if hasattr(parameter, "full_tensor"):
        raise CurvatureError(f"{name} is sharded over processes: name layers that are whole on each of them.")
    if parameter.is_meta:
        raise CurvatureError(f"{name} has no values (it is on the meta device): load the weights first.")
    if not parameter.is_floating_point():
        raise CurvatureError(
            f"{name} is {parameter.dtype} and has no derivatives: name floating layers, or take the model before "
            "it was quantised."
        )
    if not parameter.numel():
        raise CurvatureError(f"{name} is empty: name other layers.")
