"""What comes before the first step: the network, whether it takes the samples, its optimizer and its recorder."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from eigentrail._names import first_line
from eigentrail.data import Data, in_precision
from eigentrail.errors import DataError, OptionError, RunWarning
from eigentrail.networks import NetworkSpec
from eigentrail.runs import Recorder
from eigentrail.runs.manifest import BuildSpec
from eigentrail.runs.schedules import Every
from eigentrail.runs.selection import match, no_match
from eigentrail.training.accuracy import smallest_part
from eigentrail.training.calendar import Calendar
from eigentrail.training.device import seed_random
from eigentrail.training.losses import losses_of
from eigentrail.training.optimizers import make_optimizer
from eigentrail.training.randomness import network_seed
from eigentrail.training.resuming import NOTE, load_latest
from eigentrail.training.settings import TrainingSettings


@dataclass(frozen=True)
class Recording:
    """What is recorded of a training, and where its lines go.

    Attributes:
        layers: which layers, as for `Recorder`.
        every: when, as for `Recorder`.
        rebuild: how to build a network again that was given as such.
        notes: what else the run keeps.
        overwrite: whether to replace a run in the folder.
        report: told how much disk the recording will take; None for silence.
        options: other arguments of `Recorder`.
    """

    layers: str | Sequence[str] | Mapping[str, Every] | None = None
    every: Every = 1
    rebuild: Any = None
    notes: Mapping[str, Any] | None = None
    overwrite: bool = False
    report: Callable[[str], None] | None = None
    options: Mapping[str, Any] | None = None


@dataclass
class Prepared:
    """A training that can begin, or go on.

    Attributes:
        settings: its settings.
        model: its network.
        optimizer: its optimizer.
        calendar: its epochs.
        recorder: its recorder, not yet opened.
        start: the step that it is at.
    """

    settings: TrainingSettings
    model: nn.Module
    optimizer: torch.optim.Optimizer
    calendar: Calendar
    recorder: Recorder
    start: int


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


def description(model: nn.Module, spec: NetworkSpec | None) -> Any:
    """Describe a network as its run keeps it.

    Args:
        model: the network.
        spec: how to build it again; None where that is not known.

    Returns:
        Plain data.
    """
    return type(model).__qualname__ if spec is None else spec.model_dump(mode="json")


def place(model: nn.Module, settings: TrainingSettings, device: torch.device) -> nn.Module:
    """Bring a network into the precision of the settings, to where it is trained, and into training mode.

    Args:
        model: the network, which is changed.
        settings: the settings.
        device: where it is trained.

    Returns:
        The network.
    """
    return model.to(device, settings.torch_dtype).train()


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
    """Try the network on samples, so that what does not fit is said before anything is written.

    Besides a batch to evaluate, one of a single sample is tried where the training has such a batch.

    Args:
        model: the network, as `place` leaves it.
        data: the samples.
        settings: the settings.

    Raises:
        OptionError: the network has nothing to train.
        DataError: it does not take the samples, or gives no logit per class; or the samples are no images, which are
            to be changed.
    """
    if settings.augmentation is not None:
        settings.augmentation.check(data.input_shape)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise OptionError(f"the network {type(model).__name__} has no trainable parameter")
    device = next(model.parameters()).device
    # Two, where all that is evaluated has two: batch norm without running statistics takes no less.
    count = min(smallest_part(len(part)) for part in (data.train_inputs, data.test_inputs) if len(part))
    samples = in_precision(data.train_inputs[: min(2, count)], settings.torch_dtype).to(device)
    model.eval()
    try:
        outputs = model(samples)
    except Exception as error:
        raise DataError(
            f"the network {type(model).__name__} does not take the samples of {data.name}, which have shape "
            f"{data.input_shape}: {first_line(error)}"
        ) from error
    finally:
        model.train()
    _check_logits(model, outputs, len(samples), data)
    _check_training(model, data, settings, device)


def _check_logits(model: nn.Module, outputs: Any, count: int, data: Data, mode: str = "") -> None:
    shape = tuple(outputs.shape) if isinstance(outputs, torch.Tensor) else type(outputs).__name__
    positions = tuple(data.train_targets.shape[1:])
    if (
        not isinstance(shape, tuple)
        or len(shape) < 2
        or (shape[0], *shape[2:]) != (count, *positions)
        or shape[1] < data.classes
    ):
        wanted = "[batch, classes, positions]" if positions else "[batch, classes]"
        raise DataError(
            f"the network {type(model).__name__} gives {shape} for {count} samples of {data.name}{mode}, which has "
            f"{data.classes} classes: it must give one logit per class, {wanted}"
        )


def _check_training(model: nn.Module, data: Data, settings: TrainingSettings, device: torch.device) -> None:
    """Try a batch as it is trained on, of a single sample where there is such a batch."""
    count = min(2, Calendar(settings, data.train_targets).smallest_batch)
    samples = in_precision(data.train_inputs[:count], settings.torch_dtype).to(device)
    targets = data.train_targets[:count].to(device)
    # A copy: batch norm's statistics move, and gradients are left.
    tried = copy.deepcopy(model).train()
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        try:
            with torch.enable_grad():
                outputs = tried(samples)
                _check_logits(model, outputs, count, data, " while it trains")
                torch.autograd.backward(losses_of(settings.loss)(outputs, targets).sum())
        except DataError:
            raise
        except Exception as error:
            if count > 1:
                raise DataError(
                    f"the network {type(model).__name__} takes the samples of {data.name} and cannot be trained on "
                    f"them: {first_line(error)}"
                ) from error
            where = "" if settings.batch_size == 1 else ", which the last batch of an epoch would be"
            mend = "" if settings.batch_size == 1 else ", or drop_last=True"
            raise DataError(
                f"the network {type(model).__name__} cannot be trained on a batch of one sample{where} "
                f"({first_line(error)}): choose another batch_size than {settings.batch_size}{mend}"
            ) from error


def prepare(
    model: nn.Module,
    spec: NetworkSpec | None,
    data: Data,
    path: Path,
    settings: TrainingSettings,
    recording: Recording,
    resume: bool,
) -> Prepared | None:
    """Make optimizer and recorder of a network, and load the state that it goes on from.

    torch's random generators are seeded for what the network draws, or put where they were.

    Args:
        model: the network, as `place` leaves it.
        spec: how to build it again; None where that is not known.
        data: the samples.
        path: the run's folder.
        settings: the settings.
        recording: what is recorded.
        resume: whether to go on with the training in the folder.

    Returns:
        The training; None if it is complete already.

    Raises:
        RunError: the folder holds the run of another training.
    """
    described = description(model, spec)
    rebuild = recording.rebuild
    if spec is not None:
        target, arguments = spec.rebuilding()
        rebuild = BuildSpec(target=target, kwargs=arguments)
    device = next(model.parameters()).device
    optimizer = make_optimizer(model, settings)
    calendar = Calendar(settings, data.train_targets)
    # A source's training that is cut short says so among its choices.
    for line in settings.unreached("chosen" not in (recording.notes or {})):
        warnings.warn(line, RunWarning, stacklevel=2)
    seed_random(network_seed(settings.seed), device)
    found = None
    if resume:
        found = load_latest(path, model, optimizer, data, settings, described, calendar.steps, device)
    if found is not None and found.finished:
        return None
    recorder = Recorder(
        model,
        path,
        recording.layers,
        recording.every,
        steps=calendar.steps,
        rebuild=rebuild,
        data=data.describe(),
        optimizer=optimizer,
        seed=settings.seed,
        notes={**(recording.notes or {}), NOTE: settings.model_dump(mode="json"), "network": described},
        resume=False if found is None else found.step,
        # Nothing is lost: a run without a kept state has not made a step.
        overwrite=recording.overwrite or (resume and found is None),
        report=recording.report,
        **(recording.options or {}),
    )
    return Prepared(settings, model, optimizer, calendar, recorder, 0 if found is None else found.step)
