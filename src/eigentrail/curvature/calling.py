"""What the network and the loss refuse, said with the shapes that they were given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from eigentrail.curvature.point import Point
from eigentrail.data.random_state import chance_kept
from eigentrail.data.samples import Batch, Samples
from eigentrail.errors import CurvatureError, DataError, EigentrailError

# Samples of the first call.
_FEW = 4
# Said already, or no refusal.
_OTHERS = (EigentrailError, torch.OutOfMemoryError, MemoryError)
_LONGEST = 160  # characters of what torch says


def first_call(point: Point, samples: Samples) -> None:
    """Compute the loss of a few samples, and look at all class numbers where the loss is the cross-entropy.

    Args:
        point: the network and its loss.
        samples: the data.

    Raises:
        CurvatureError: the network does not take the inputs, or the loss not the outputs and targets.
        DataError: the targets are no classes of this network.
    """
    batch = samples.head(_FEW, point.dtype, point.device)
    with point.setting(), chance_kept():
        point.differentiates = _differentiates(point, batch)
    with point.setting(), point.evaluating(), chance_kept():
        with _refusals_of_network(batch):
            outputs = point.outputs(point.values, batch)
        # Before the loss is called: on a GPU an index out of range ends the whole process's use of it.
        _check_classes(point, samples, outputs)
        with _refusals_of_loss(batch, outputs):
            point.loss_of(outputs, batch)


def _differentiates(point: Point, batch: Batch) -> bool:
    """Find out whether the network or its loss can be called with gradients only, as physics-informed ones."""
    try:
        with torch.no_grad():
            point.loss(point.values, batch)
    except RuntimeError as error:
        return "does not require grad" in str(error)
    except Exception:  # whatever else it refuses is told when it is called
        return False
    return False


@contextmanager
def refusals(point: Point, batch: Batch) -> Iterator[None]:
    """Say what the network or the loss refuses of a later batch.

    Args:
        point: the network and its loss, within its setting.
        batch: the samples that are used within this context.

    Yields:
        Nothing.

    Raises:
        CurvatureError: the network does not take the inputs, or the loss not the outputs and targets.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, _OTHERS):
            raise
        # Which of the two it was is found out by calling them one after the other.
        with point.evaluating(), chance_kept():
            with _refusals_of_network(batch):
                outputs = point.outputs(point.values, batch)
            with _refusals_of_loss(batch, outputs):
                point.loss_of(outputs, batch)
        raise


@contextmanager
def _refusals_of_network(batch: Batch) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if isinstance(error, _OTHERS):
            raise
        raise CurvatureError(
            f"the network does not take inputs {_described(batch.inputs)}: {_said(error)}; give data of the width and "
            "type that it was made for."
        ) from error


@contextmanager
def _refusals_of_loss(batch: Batch, outputs: Any) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if isinstance(error, _OTHERS):
            raise
        raise CurvatureError(
            f"the loss does not take outputs {_described(outputs)} with targets {_described(batch.targets)}: "
            f"{_said(error)}; give targets that fit the loss, or another loss(outputs, targets); one that takes the "
            "network, loss(model, batch), goes in as curvature.ModelLoss(loss)."
        ) from error


def _check_classes(point: Point, samples: Samples, outputs: Any) -> None:
    """Look at the targets of a cross-entropy over classes."""
    function = point.loss_function
    if function is not None and type(function) is not nn.CrossEntropyLoss:
        return
    logits = getattr(outputs, "logits", outputs) if function is None else outputs
    if not isinstance(logits, torch.Tensor) or logits.ndim < 2:
        return
    ignored = -100 if function is None else int(function.ignore_index)
    for chunk in samples.chunks:
        targets = chunk.targets
        if not isinstance(targets, torch.Tensor):
            return
        if targets.is_floating_point():
            if targets.shape[1:] != logits.shape[1:]:
                raise DataError(
                    f"the cross-entropy takes class numbers, and the targets are {_described(targets)}: give "
                    "targets.long(), or a loss for numbers such as nn.MSELoss()."
                )
            continue
        if targets.dtype not in {torch.int64, torch.uint8}:
            raise DataError(
                f"the cross-entropy takes class numbers as torch.int64, and the targets are {_described(targets)}: "
                "give targets.long()."
            )
        flat = function is None and logits.ndim == 3 and logits.shape[1:2] == targets.shape[1:]
        classes = logits.shape[-1 if flat else 1]
        wrong = targets[((targets < 0) | (targets >= classes)) & (targets != ignored)]
        if wrong.numel():
            raise DataError(
                f"a target is class {int(wrong.flatten()[0])} and the network has outputs for {classes} classes, 0 to "
                f"{classes - 1}: number the classes from 0, or give the last layer more outputs."
            )


def _described(value: Any) -> str:
    """Write shapes and types."""
    if isinstance(value, torch.Tensor):
        return f"{list(value.shape)} ({str(value.dtype).removeprefix('torch.')})"
    if isinstance(value, Mapping):
        parts = [f"{key} {_described(one)}" for key, one in list(value.items())[:4]]
        return "{" + ", ".join(parts) + "}"
    if isinstance(value, (tuple, list)):
        return "(" + ", ".join(_described(one) for one in value[:4]) + ")"
    return type(value).__name__


def _said(error: Exception) -> str:
    """Give the first line of what torch, or the user's own code, says."""
    line = (str(error).strip().splitlines() or [""])[0].rstrip(".;: ")
    line = line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."
    return line if isinstance(error, RuntimeError) and line else f"{type(error).__name__} {line}".rstrip()
