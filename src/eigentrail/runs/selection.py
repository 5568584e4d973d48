"""Which tensors of a network are recorded, under which names, and where they are found at every step."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import TypeAlias

import torch
from torch import nn

from eigentrail.errors import OptionError, RunError
from eigentrail.runs.layout import dimensions, node_name
from eigentrail.runs.manifest import LayerSpec
from eigentrail.runs.schedules import Every, Schedule, as_schedule
from eigentrail.weights import open_store

#: What a recorder takes for its layers.
Layers: TypeAlias = "str | nn.Module | Sequence[str | nn.Module | torch.Tensor] | Mapping[str, Every] | None"

_COMPILED = "_orig_mod"
# numpy has no bfloat16, whose bits are kept; float32 holds all values of the eighth precisions exactly.
_STORED = {
    torch.float64: "float64",
    torch.float32: "float32",
    torch.float16: "float16",
    torch.bfloat16: "uint16",
}


def unwrap(model: nn.Module) -> nn.Module:
    """Take the wrappers of data-parallel training and of `torch.compile` off a network.

    Args:
        model: a network, wrapped or not.

    Returns:
        The network itself, whose parameters are the same objects.
    """
    parallel = (nn.DataParallel, nn.parallel.DistributedDataParallel)
    while True:
        if isinstance(model, parallel):
            model = model.module
        elif isinstance(model._modules.get(_COMPILED), nn.Module):
            model = model.get_submodule(_COMPILED)
        else:
            return model


def clean_name(name: str) -> str:
    """Take the prefixes of compiled submodules off a parameter's name.

    Args:
        name: the name in `named_parameters`.

    Returns:
        The name that the parameter has in the network as written.
    """
    return ".".join(part for part in name.split(".") if part != _COMPILED)


@dataclass
class Source:
    """A tensor of a network that is looked up anew at every record, so that a replaced one is noticed.

    Attributes:
        spec: what the manifest says about it.
        dtype: its precision in the network.
        stored: its precision in the store.
        shape: its shape.
        nbytes: the bytes of one record.
    """

    spec: LayerSpec
    dtype: torch.dtype
    stored: torch.dtype
    shape: torch.Size
    nbytes: int
    path: tuple[str, ...]

    def find(self, model: nn.Module) -> torch.Tensor:
        """Find the tensor as it is now.

        Args:
            model: the network without wrappers.

        Returns:
            The parameter or buffer.

        Raises:
            RunError: it is gone, or has another shape or precision than the recorded one.
        """
        module: nn.Module | None = model
        for part in self.path[:-1]:
            module = module._modules.get(part) if module is not None else None
        tensor: torch.Tensor | None = None
        if module is not None:
            tensor = module._parameters.get(self.path[-1])
            if tensor is None:
                tensor = module._buffers.get(self.path[-1])
        if tensor is None:
            raise RunError(
                f"{self.spec.name} is no longer a tensor of the model: record the changed model as a new run"
            )
        if tensor.shape != self.shape:
            raise RunError(
                f"{self.spec.name} now has shape {tuple(tensor.shape)}, recorded was {tuple(self.shape)}: record the "
                "changed model as a new run"
            )
        if tensor.dtype != self.dtype:
            raise RunError(
                f"{self.spec.name} is now {tensor.dtype}, recorded was {self.dtype}: record the changed model as a new "
                "run"
            )
        return tensor


class Finder:
    """Find all sources at once, for little more than looking the tensors up.

    Args:
        model: the network without wrappers.
        sources: what is recorded of it.
    """

    def __init__(self, model: nn.Module, sources: Sequence[Source]) -> None:
        self._model = model
        self._sources = sources
        modules: dict[tuple[str, ...], list[tuple[str, int]]] = {}
        for place, source in enumerate(sources):
            modules.setdefault(source.path[:-1], []).append((source.path[-1], place))
        self._modules = list(modules.items())

    def find(self) -> list[torch.Tensor]:
        """Find the tensors as they are now.

        Returns:
            The tensors in the order of the sources; errors as of `Source.find`.
        """
        found: list[torch.Tensor | None] = [None] * len(self._sources)
        for path, leaves in self._modules:
            module: nn.Module | None = self._model
            for part in path:
                module = None if module is None else module._modules.get(part)
            parameters = {} if module is None else module._parameters
            for leaf, place in leaves:
                source = self._sources[place]
                tensor: torch.Tensor | None = parameters.get(leaf)
                if tensor is None or tensor.shape != source.shape or tensor.dtype != source.dtype:
                    tensor = source.find(self._model)
                found[place] = tensor
        return [tensor for tensor in found if tensor is not None]


def lacks_only_buffers(model: nn.Module, sources: Sequence[Source]) -> bool:
    """Tell whether all that a recording lacks of a network are floating buffers, as the running means of batch norm.

    Args:
        model: the network without wrappers.
        sources: what is recorded.

    Returns:
        True where every parameter is recorded and some floating buffer of the state dict is not.
    """
    known = {name for one in sources for name in (one.spec.name, *one.spec.aliases)}
    if any(clean_name(name) not in known for name, _ in model.named_parameters()):
        return False
    kept = model.state_dict(keep_vars=True)
    return any(
        name in kept and buffer.is_floating_point() and clean_name(name) not in known
        for name, buffer in model.named_buffers()
    )


def select_sources(model: nn.Module, layers: Layers, every: Every) -> list[Source]:
    """Choose what is recorded of a network.

    Args:
        model: the network without wrappers.
        layers: None for every floating parameter; globs over parameter names, where a module's name stands for its
            weight; modules and parameters of the network; or {glob: when}, of which the first that fits a parameter
            counts. A glob that fits no parameter may name floating buffers (running means of batch norm).
        every: when, for all forms but the mapping.

    Returns:
        The tensors in the order of `named_parameters`, buffers behind them.

    Raises:
        OptionError: a glob fits nothing (near names are offered), or fits what cannot be recorded.
    """
    parameters, aliases = _named(model)
    buffers = {clean_name(n): (n, b) for n, b in model.named_buffers()}
    wanted: dict[str, Schedule] = {}
    if layers is None:
        wanted = {
            n: as_schedule(every) for n, (_, p) in parameters.items() if p.is_floating_point() and p.numel()
        }
        if not wanted:
            raise OptionError(f"{type(model).__name__} has no floating parameters to record")
    else:
        if isinstance(layers, (str, nn.Module, torch.Tensor)):
            layers = [layers]
        if not isinstance(layers, (Mapping, Sequence, set, frozenset)):
            raise OptionError(
                f"layers={layers!r}: give globs over parameter names, modules of the network, or {{glob: when}}"
            )
        globs = layers.items() if isinstance(layers, Mapping) else [(one, every) for one in layers]
        rules = {name: when for one, when in globs for name in _names_of(model, one)}
        if not rules:
            raise OptionError("layers is empty: name at least one layer, or leave it out to record all")
        for glob, when in rules.items():
            fitting = match(glob, [*parameters, *aliases]) or match(glob, buffers)
            if not fitting:
                raise OptionError(no_match(glob, [*parameters, *buffers]))
            for name in fitting:
                wanted.setdefault(aliases.get(name, name), as_schedule(when))
    named = parameters | buffers
    order = {name: i for i, name in enumerate(named)}
    also: dict[str, list[str]] = {}
    for alias, name in aliases.items():
        also.setdefault(name, []).append(alias)
    hints = open_store(model).modules
    sources = []
    for name in sorted(wanted, key=order.__getitem__):
        path, tensor = named[name]
        _check_recordable(name, tensor)
        hint = hints.get(name)
        # transformers' Conv1D is a linear layer that keeps its inputs first.
        transposed = hint is not None and (hint.transposed or hint.class_name == "Conv1D")
        stored = _STORED.get(tensor.dtype, "float32")
        spec = LayerSpec(
            name=name,
            node=node_name(name),
            shape=list(tensor.shape),
            dtype=str(tensor.dtype).removeprefix("torch."),
            stored=stored,
            dims=list(dimensions(tensor.ndim, transposed)),
            schedule=wanted[name],
            aliases=sorted(also.get(name, [])),
            hint=None if hint is None else asdict(hint),
        )
        kept = torch.bfloat16 if stored == "uint16" else getattr(torch, stored)
        sources.append(
            Source(
                spec, tensor.dtype, kept, tensor.shape, tensor.numel() * kept.itemsize, tuple(path.split("."))
            )
        )
    return sources


def _names_of(model: nn.Module, one: object) -> list[str]:
    """Name what a module or a tensor of the network stands for; a glob stands for itself."""
    if isinstance(one, str):
        return [one]
    if isinstance(one, nn.Module):
        inside = {id(p) for p in one.parameters()}
        what = f"the module {type(one).__name__}"
    elif isinstance(one, torch.Tensor):
        inside = {id(one)}
        what = f"a tensor of shape {tuple(one.shape)}"
    else:
        raise OptionError(
            f"layers holds a {type(one).__name__}: give globs over parameter names, or modules of the network"
        )
    names = [clean_name(path) for path, p in model.named_parameters() if id(p) in inside]
    if not names:
        raise OptionError(
            f"layers holds {what}, of which the network has no parameter: name layers of its own"
        )
    return names


def match(glob: str, names: Iterable[str]) -> list[str]:
    """Find the names that a glob fits.

    Args:
        glob: a name, a module's name, or a glob over names (`*`, `?`, `[...]`).
        names: the names there are.

    Returns:
        The fitting names, in their order.
    """
    names = list(names)
    for exact in (glob, f"{glob}.weight"):
        if exact in names:
            return [exact]
    return [name for name in names if fnmatchcase(name, glob) or fnmatchcase(name, f"{glob}.weight")]


def no_match(glob: str, names: Iterable[str]) -> str:
    """Say that a glob fits nothing, and what comes near.

    Args:
        glob: the glob.
        names: the names there are.

    Returns:
        One sentence.
    """
    names = list(names)
    near = difflib.get_close_matches(glob, names, n=3, cutoff=0.4) or names[:3]
    return f'no layer is named "{glob}": there are {", ".join(near)}' + (
        ", ..." if len(names) > len(near) else ""
    )


def _check_recordable(name: str, tensor: torch.Tensor) -> None:
    if isinstance(tensor, nn.UninitializedParameter | nn.UninitializedBuffer):
        raise OptionError(f"{name} has no shape yet: run one batch through the model before recording")
    if hasattr(tensor, "full_tensor"):
        raise OptionError(
            f"{name} is sharded over processes, which cannot be recorded: name layers that are whole"
        )
    if not tensor.is_floating_point():
        raise OptionError(f"{name} is {tensor.dtype}, not floating, and cannot be recorded: leave it out")
    if tensor.is_meta:
        raise OptionError(f"{name} has no values (it is on the meta device): load the weights first")
    if not tensor.numel():
        raise OptionError(f"{name} is empty and cannot be recorded: leave it out")


def _named(model: nn.Module) -> tuple[dict[str, tuple[str, torch.Tensor]], dict[str, str]]:
    """Name the parameters ({clean name: (path, tensor)}) and their aliases."""
    parameters: dict[str, tuple[str, torch.Tensor]] = {}
    first: dict[int, str] = {}
    aliases: dict[str, str] = {}
    for path, parameter in model.named_parameters(remove_duplicate=False):
        name = clean_name(path)
        if id(parameter) in first:
            if name != first[id(parameter)]:
                aliases[name] = first[id(parameter)]
            continue
        if isinstance(parameter, nn.UninitializedParameter | nn.UninitializedBuffer):
            _check_recordable(name, parameter)
        first[id(parameter)] = name
        parameters[name] = (path, parameter)
    return parameters, aliases
