"""The sources' networks by name, and anybody's own by import path."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any

import torch
from torch import nn

from eigentrail._names import FOREIGN, bare, first_line, import_object, look_up
from eigentrail._numbers import seed_of, whole, written
from eigentrail.errors import OptionError
from eigentrail.networks.entry import Entry, Factory

#: Entry points of this group name an `Entry`.
GROUP = "eigentrail.networks"
# Names that meant one of two networks, in the spelling that is compared.
_AMBIGUOUS = {"minialexnet": ("mini-alexnet-s0", "mini-alexnet-s1")}


@cache
def entries() -> dict[str, Entry]:
    """Collect the networks: by their place in this package, and by the entry points of other packages.

    Returns:
        By name, in the order of the names.

    Raises:
        OptionError: two have the same name, or an entry point names something else.
    """
    found: dict[str, Entry] = {}
    for entry in [*_own("NETWORKS"), *_foreign()]:
        if entry.name in found:
            raise OptionError(f'two networks are called "{entry.name}": rename one of them')
        found[entry.name] = entry
    return dict(sorted(found.items()))


@cache
def _modules() -> tuple[ModuleType, ...]:
    import eigentrail.networks as room

    return tuple(
        importlib.import_module(info.name)
        for info in pkgutil.iter_modules(room.__path__, f"{room.__name__}.")
        if info.name not in {__name__, f"{room.__name__}.spec"}
    )


def _own(attribute: str) -> Iterator[Any]:
    for module in _modules():
        yield from vars(module).get(attribute, ())


def _foreign() -> Iterator[Entry]:
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        loaded = point.load()
        if not isinstance(loaded, Entry):
            raise OptionError(
                f"the entry point {point.name} of {GROUP} names {point.value}, which is no network's Entry"
            )
        yield loaded


@cache
def _families() -> dict[str, Callable[..., nn.Module]]:
    """Networks of any sizes, by the name before these."""
    return {name: made for module in _modules() for name, made in vars(module).get("FAMILIES", {}).items()}


@cache
def _recorded() -> dict[str, Factory]:
    """Networks by names that recorded runs have and nothing else."""
    return {name: made for module in _modules() for name, made in vars(module).get("RECORDED", {}).items()}


@cache
def _sizes_of(kind: str) -> tuple[str, ...]:
    """Name the sizes that a family takes behind the shape of a sample and the number of classes."""
    return tuple(inspect.signature(_families()[kind]).parameters)[2:]


def _sized(name: str) -> str | None:
    """Read a name with sizes, such as "MLP-BN-2-40", in any spelling; None for another name."""
    parts = re.fullmatch(r"(.*?)[\W_]*(\d{1,6}(?:[\W_]+\d{1,6})+)", name.strip())
    known = {bare(kind): kind for kind in _families()}
    if parts is None or (kind := known.get(bare(parts[1]))) is None:
        return None
    numbers = [int(number) for number in re.findall(r"\d+", parts[2])]
    return "-".join(map(str, (kind, *numbers))) if len(numbers) == len(_sizes_of(kind)) else None


def names() -> tuple[str, ...]:
    """List the networks that are known by name.

    Returns:
        Their names, for `build`.
    """
    return tuple(entries())


def resolve(name: str) -> str:
    """Find the network that a name or an import path means.

    Args:
        name: a known name in any spelling ("MLP 50"), MLP-BN-L-H, RES-BN-L-H, MLP-L-H, LINEAR-L-H, VGG-D-W,
            ResNet-D-W, ViT-L-W or GPT-L-H-D with numbers for the letters behind, or "package.module:factory".

    Returns:
        The known name, or the import path as it is.

    Raises:
        OptionError: there is none such; the nearest names are offered.
    """
    if not isinstance(name, str):
        raise OptionError(f"a network is given by its name, not {written(name)}")
    if ":" in name:
        return name
    if (sized := _sized(name)) is not None:
        return sized
    if bare(name) in _AMBIGUOUS:
        raise OptionError(
            f'"{name}" may be {" or ".join(_AMBIGUOUS[bare(name)])}, which are networks of different sources: say which'
        )
    return look_up(
        name, entries(), "network", OptionError, more='; your own is given as "package.module:factory"'
    )


def build(name: str, input_shape: Sequence[int], classes: int, seed: int = 0) -> nn.Module:
    """Build a network with freshly drawn weights, in float32.

    The same name, shape, number of classes and seed give the same weights. torch's global random generator is seeded
    for the drawing and put back afterwards.

    Args:
        name: one of `names()`, or the import path "package.module:factory" of a class or function. A factory is
            called with those of the arguments `input_shape` and `classes` that it takes.
        input_shape: the shape of one sample.
        classes: the number of classes.
        seed: of the weights, from 0 to 2^63 - 1.

    Returns:
        The network, in training mode.

    Raises:
        OptionError: there is no such network, the factory builds none from these arguments, or they are no numbers of
            the kind.
    """
    known = resolve(name)
    if ":" not in known:
        return build_known(known, input_shape, classes, seed)
    (shape, count), seed = _sizes(input_shape, classes), seed_of(seed)
    with torch.random.fork_rng(devices=[]):
        # The processor's alone: `torch.manual_seed` would change the generators of GPUs as well.
        torch.default_generator.manual_seed(seed)
        return _build_own(known, shape, count)


def build_known(name: str, input_shape: Sequence[int], classes: int, seed: int = 0) -> nn.Module:
    """Build a network that is known by name, as `build` does, and nothing that would have to be imported.

    Recorded runs name this function, because a run may come from somebody else.

    Args:
        name: one of `names()`.
        input_shape: the shape of one sample.
        classes: the number of classes.
        seed: of the weights, from 0 to 2^63 - 1.

    Returns:
        The network, in training mode.

    Raises:
        OptionError: there is no such network, or it cannot be built from these arguments.
    """
    known = name if name in _recorded() else resolve(name)
    if ":" in known:
        # An import path is an unknown name here.
        known = look_up(name, entries(), "network", OptionError)
    (shape, count), seed = _sizes(input_shape, classes), seed_of(seed)
    if not shape:
        raise OptionError(
            f"{known} takes samples of one side or more, not single numbers: give inputs [n, 1]"
        )
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return _factory(known)(shape, count)


def accepted_arguments(factory: Any, input_shape: Sequence[int], classes: int) -> dict[str, Any]:
    """Choose what somebody's factory is called with.

    Args:
        factory: a class or function.
        input_shape: the shape of one sample.
        classes: the number of classes.

    Returns:
        Those of the keyword arguments `input_shape` and `classes` that it takes.
    """
    offered: dict[str, Any] = {"input_shape": tuple(input_shape), "classes": classes}
    if inspect.isclass(factory) and factory.__init__ is nn.Module.__init__:
        # It takes anything by its signature, and then refuses it.
        return {}
    try:
        taken = inspect.signature(factory).parameters
    except (TypeError, ValueError):
        return {}
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in taken.values()):
        return offered
    return {key: value for key, value in offered.items() if key in taken}


def _factory(known: str) -> Factory:
    if known in _recorded():
        return _recorded()[known]
    if known in entries():
        return entries()[known].factory
    kind, numbers = re.fullmatch(r"(.*?)-([\d-]+)", known).groups()  # type: ignore[union-attr]
    sizes = dict(zip(_sizes_of(kind), map(int, numbers.split("-")), strict=True))
    return partial(_families()[kind], **sizes)


def _sizes(input_shape: Sequence[int], classes: int) -> tuple[tuple[int, ...], int]:
    try:
        sides = None if isinstance(input_shape, (str, bytes)) else list(input_shape)
    except TypeError:
        sides = None
    if sides is None:
        raise OptionError(
            f"input_shape is the shape of one sample, such as (3, 32, 32), not {written(input_shape)}"
        )
    shape = tuple(whole("a side of input_shape", side, 1) for side in sides)
    return shape, whole("classes", classes, 1)


def _build_own(path: str, input_shape: tuple[int, ...], classes: int) -> nn.Module:
    factory = import_factory(path)
    arguments = accepted_arguments(factory, input_shape, classes)
    try:
        built = factory(**arguments)
    except FOREIGN as error:
        told = ", ".join(f"{key}={value}" for key, value in arguments.items())
        raise OptionError(
            f"{path}({told}) does not build a network: {type(error).__name__}: {first_line(error)}"
        ) from error
    if not isinstance(built, nn.Module):
        raise OptionError(
            f"{path} gives a {type(built).__name__}, not an nn.Module: name a factory that does"
        )
    return built


def import_factory(path: str) -> Any:
    """Import somebody's own class or function that builds a network.

    Args:
        path: "package.module:factory".

    Returns:
        The class or function.

    Raises:
        OptionError: it cannot be imported or called.
    """
    found = import_object(path, "network", OptionError)
    if not callable(found):
        raise OptionError(
            f'"{path}" is a {type(found).__name__}: name a class or function that builds a network'
        )
    return found
