"""The sources' networks by name, and anybody's own by import path."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from eigentrail._names import look_up
from eigentrail.errors import OptionError
from eigentrail.networks.mlp import mlp50, mlp256

Factory = Callable[[Sequence[int], int], nn.Module]


@dataclass(frozen=True)
class Entry:
    """A network that is known by name.

    Attributes:
        factory: builds it from the shape of one sample and the number of classes, drawing its weights from torch's
            global random generator.
        title: the name that the source gives it.
        source: where it comes from.
        input_shape: the shape of one sample in the source, [channels, height, width].
        classes: the number of classes in the source.
        parameters: the number of parameters for these.
    """

    factory: Factory
    title: str
    source: str
    input_shape: tuple[int, ...]
    classes: int
    parameters: int


ENTRIES: dict[str, Entry] = {
    "mlp50": Entry(mlp50, "MLP 50", "S1 5.2", (1, 28, 28), 10, 42_310),
    "mlp256": Entry(mlp256, "MLP 256", "S1 5.2", (3, 32, 32), 10, 828_490),
}


def names() -> tuple[str, ...]:
    """List the networks that are known by name.

    Returns:
        Their names, for `build`.
    """
    return tuple(ENTRIES)


def resolve(name: str) -> str:
    """Find the network that a name or an import path means.

    Args:
        name: a known name in any spelling ("MLP 50"), or "package.module:factory".

    Returns:
        The known name, or the import path as it is.

    Raises:
        OptionError: there is none such; the nearest names are offered.
    """
    if ":" in name:
        return name
    return look_up(
        name, ENTRIES, "network", OptionError, more='; your own is given as "package.module:factory"'
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
        seed: of the weights.

    Returns:
        The network, in training mode.

    Raises:
        OptionError: there is no such network, or the factory builds none from these arguments.
    """
    known = resolve(name)
    if known in ENTRIES:
        return build_known(known, input_shape, classes, seed)
    shape, count = _sizes(input_shape, classes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _build_own(known, shape, count)


def build_known(name: str, input_shape: Sequence[int], classes: int, seed: int = 0) -> nn.Module:
    """Build a network that is known by name, as `build` does, and nothing that would have to be imported.

    Recorded runs name this function, because a run may come from somebody else.

    Args:
        name: one of `names()`.
        input_shape: the shape of one sample.
        classes: the number of classes.
        seed: of the weights.

    Returns:
        The network, in training mode.
    """
    known = look_up(name, ENTRIES, "network", OptionError)
    shape, count = _sizes(input_shape, classes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ENTRIES[known].factory(shape, count)


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


def _sizes(input_shape: Sequence[int], classes: int) -> tuple[tuple[int, ...], int]:
    if classes < 1:
        raise OptionError(f"classes={classes}: a network needs at least one class")
    return tuple(int(side) for side in input_shape), int(classes)


def _build_own(path: str, input_shape: tuple[int, ...], classes: int) -> nn.Module:
    factory = import_factory(path)
    arguments = accepted_arguments(factory, input_shape, classes)
    try:
        built = factory(**arguments)
    except Exception as error:
        told = ", ".join(f"{key}={value}" for key, value in arguments.items())
        raise OptionError(
            f"{path}({told}) does not build a network: {type(error).__name__}: {error}"
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
    module, _, attribute = path.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise OptionError(
            f'the network "{path}" cannot be imported ({error}): write "package.module:factory" of a module that '
            "Python finds"
        ) from error
    if not callable(found):
        raise OptionError(
            f'"{path}" is a {type(found).__name__}: name a class or function that builds a network'
        )
    return found
