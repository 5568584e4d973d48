"""What comes before the first step: the network, whether it takes the samples, and how many threads work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn

from eigentrail.data import Data
from eigentrail.errors import DataError, OptionError
from eigentrail.networks import NetworkSpec
from eigentrail.runs.selection import match, no_match
from eigentrail.training.settings import TrainingSettings


@contextmanager
def threads(number: int) -> Iterator[None]:
    """Let torch use a number of processor threads for the length of a `with` block.

    Args:
        number: how many.

    Yields:
        Nothing.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def build_network(
    network: str | NetworkSpec | nn.Module, data: Data, settings: TrainingSettings
) -> tuple[nn.Module, NetworkSpec | None]:
    """Build the network that is to be trained.

    Args:
        network: a name or import path, a `NetworkSpec`, or a network, which is taken as it is.
        data: the samples.
        settings: the settings, whose seed decides the weights of a network by name.

    Returns:
        The network in float32, or as it was given; and how to build it again, None where that is not known.

    Raises:
        OptionError: it is none of these.
    """
    if isinstance(network, nn.Module):
        return network, None
    if isinstance(network, str):
        spec = NetworkSpec(
            name=network, input_shape=data.input_shape, classes=data.classes, seed=settings.seed
        )
    elif isinstance(network, NetworkSpec):
        spec = network
    else:
        raise OptionError(
            f"network is a {type(network).__name__}: give a name, a NetworkSpec or an nn.Module"
        )
    return spec.build(), spec


def freeze(model: nn.Module, globs: Sequence[str]) -> list[nn.Parameter]:
    """Take parameters out of the training.

    Args:
        model: the network, whose parameters are changed to need no gradient.
        globs: over parameter names, where a module's name stands for its weight.

    Returns:
        The parameters that needed a gradient before.

    Raises:
        OptionError: a glob fits no parameter, or none is left to train.
    """
    named = dict(model.named_parameters())
    chosen: dict[str, nn.Parameter] = {}
    for glob in globs:
        fitting = match(glob, named)
        if not fitting:
            raise OptionError(f"frozen: {no_match(glob, named)}")
        chosen |= {name: named[name] for name in fitting if named[name].requires_grad}
    trained = {name for name, parameter in named.items() if parameter.requires_grad}
    if chosen and trained <= set(chosen):
        raise OptionError("frozen leaves no parameter to train: freeze some layers only")
    for parameter in chosen.values():
        parameter.requires_grad_(False)
    return list(chosen.values())


@contextmanager
def frozen(model: nn.Module, globs: Sequence[str]) -> Iterator[None]:
    """Take parameters out of the training for the length of a `with` block.

    Args:
        model: the network.
        globs: over parameter names.

    Yields:
        Nothing.
    """
    changed = freeze(model, globs)
    try:
        yield
    finally:
        for parameter in changed:
            parameter.requires_grad_(True)


@torch.no_grad()
def check_fits(model: nn.Module, data: Data, settings: TrainingSettings) -> None:
    """Try the network on a sample, so that what does not fit is said before anything is written.

    Args:
        model: the network, in the precision of the settings.
        data: the samples.
        settings: the settings.

    Raises:
        OptionError: the network has nothing to train.
        DataError: it does not take the samples, or gives no logit per class.
    """
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise OptionError(f"the network {type(model).__name__} has no trainable parameter")
    sample = data.train_inputs[:1].to(settings.torch_dtype)
    model.eval()
    try:
        outputs = model(sample)
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"the network {type(model).__name__} does not take the samples of {data.name}, which have shape "
            f"{data.input_shape}: {reason}"
        ) from error
    finally:
        model.train()
    shape = tuple(outputs.shape) if isinstance(outputs, torch.Tensor) else type(outputs).__name__
    if not isinstance(shape, tuple) or len(shape) != 2 or shape[0] != 1 or shape[1] < data.classes:
        raise DataError(
            f"the network {type(model).__name__} gives {shape} for one sample of {data.name}, which has {data.classes} "
            "classes: it must give one logit per class, [batch, classes]"
        )
