"""Is the loss the same when it is computed again, and the mean over samples that it has to be?"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

from eigentrail.curvature.calling import refusals
from eigentrail.curvature.chance import chance_kept, seed_all
from eigentrail.curvature.point import Point
from eigentrail.curvature.samples import Batch
from eigentrail.errors import CurvatureError, NumericalWarning

# Relative differences that rounding explains, also where a GPU adds in any order.
_ROUNDING = {torch.float32: 1e-4, torch.float64: 1e-9}
Prints = list[tuple[str, str, list[float], list[float]]]


def check_loss(point: Point, batch: Batch) -> None:
    """Compute the loss of a batch twice, with other random numbers, and say what differs.

    Args:
        point: the network and its loss.
        batch: samples.

    Raises:
        CurvatureError: the outputs or the loss differ, or the loss is not finite.
    """
    prints: list[Prints] = []
    found: list[tuple[Any, float]] = []
    with point.setting(), torch.no_grad(), chance_kept():
        for turn in (0, 1):
            seed_all(turn)
            with refusals(point, batch):
                with _watched(point.chosen.model) as seen:
                    outputs = point.outputs(point.values, batch)
                loss = point.loss_of(outputs, batch)
            prints.append(seen)
            found.append((outputs, float(loss)))
    rounding = _ROUNDING[point.dtype]
    (first, one), (second, other) = found
    if not math.isfinite(one):
        raise CurvatureError(not_finite(one, first))
    if not _alike(first, second, rounding):
        raise CurvatureError(
            f"the network gives other outputs each time it is called: {_where(prints, rounding)} draws at random in "
            "eval mode, too: switch it off (dropout of functional form needs training=self.training)."
        )
    if not _near([one], [other], rounding):
        raise CurvatureError(
            f"the loss gives other values for the same outputs ({one:.6g}, then {other:.6g}): take what is random out "
            "of it (dropout, sampling, noise)."
        )
    _refuse_own_parameters(point, batch, first)


def _refuse_own_parameters(point: Point, batch: Batch, outputs: Any) -> None:
    """Refuse a loss that depends on the parameters beside the outputs: other values are put in for a call only."""
    if point.loss_function is None:
        return
    parameters = [
        p for p in point.chosen.model.parameters() if p.is_floating_point() and not p.is_inference()
    ]
    with point.setting(), chance_kept():
        for parameter in parameters:
            parameter.requires_grad_(True)  # put back by the setting
        loss = point.loss_of(outputs, batch)
        if not loss.requires_grad:
            return
        found = torch.autograd.grad(loss, parameters, allow_unused=True)
    if any(one is not None for one in found):
        raise CurvatureError(
            "the loss uses the network's parameters themselves (a penalty, an anchor), and the curvature would lack "
            "that part: give weight_decay= for a penalty on the weights, or add the term's own Hessian."
        )


def not_finite(loss: float, outputs: Any = None) -> str:
    """Say that a loss is not finite, and where that began.

    Args:
        loss: the loss.
        outputs: what the network gave, if known.

    Returns:
        One sentence.
    """
    finite = outputs is None or all(map(math.isfinite, _sums(outputs)))
    where = "" if outputs is None else "for finite outputs" if finite else "and so are outputs of the network"
    return (
        f"the loss is {loss} {where}".rstrip()
        + ": check the data and the weights, or train from a lower rate."
    )


def check_mean(point: Point, batch: Batch, first: Batch, second: Batch, *, alone: bool) -> None:
    """Warn where the loss of a batch is not the mean of those of its parts, for batches are weighted by their samples.

    Args:
        point: the network and its loss.
        batch: samples.
        first: some of them.
        second: the others.
        alone: whether there is only one batch; then only a sum over samples is told of, for all that samples share is
            within it.
    """
    with point.setting(), torch.no_grad(), refusals(point, batch):
        whole, low, high = (float(point.loss(point.values, one)) for one in (batch, first, second))
    mean = (low * first.count + high * second.count) / batch.count
    rounding = 10 * _ROUNDING[point.dtype]
    if _near([whole], [mean], rounding):
        return
    if alone and _near([whole], [low + high], rounding):
        warnings.warn(
            f"the loss of {batch.count} samples is {whole:.6g}, the sum of those of its parts, and the curvature is "
            'meant for a mean over samples: take reduction="mean", or divide what you get by their number.',
            NumericalWarning,
            stacklevel=2,
        )
    elif not alone:
        warnings.warn(
            f"the loss of {batch.count} samples is {whole:.6g} and the mean over its parts {mean:.6g}: it is no mean "
            "over samples, or samples meet in the network (batch norm without running statistics), and the curvature "
            "depends on how they are divided into batches; a larger batch_size or memory_limit keeps them together.",
            NumericalWarning,
            stacklevel=2,
        )


@contextmanager
def _watched(model: nn.Module) -> Iterator[Prints]:
    """Collect sums of what goes into and comes out of each module, in the order in which they finish."""
    seen: Prints = []
    handles = []
    for name, module in model.named_modules():

        def hook(module: nn.Module, args: Any, kwargs: Any, output: Any, name: str = name) -> None:
            seen.append((name, type(module).__name__, _sums((args, kwargs)), _sums(output)))

        handles.append(module.register_forward_hook(hook, with_kwargs=True))
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _where(prints: list[Prints], rounding: float) -> str:
    """Name the innermost module whose output differs for the same input."""
    for one, other in zip(*prints, strict=False):
        if _near(one[2], other[2], rounding) and not _near(one[3], other[3], rounding):
            return f'its module "{one[0]}" ({one[1]})' if one[0] else f"{one[1]}.forward"
    return "something"


def _alike(one: Any, other: Any, rounding: float) -> bool:
    """Whether two outputs are the same number by number, within rounding; sums over samples would hide noise."""
    pairs = list(zip(pytree.tree_leaves(one), pytree.tree_leaves(other), strict=True))
    for a, b in pairs:
        if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor) and not a.is_meta:
            if a.shape != b.shape:
                return False
            scale = float(a.abs().nan_to_num(0.0, 0.0, 0.0).max()) if a.numel() else 0.0
            if not torch.allclose(
                a.double(), b.double(), rtol=0.0, atol=rounding * max(scale, 1e-30), equal_nan=True
            ):
                return False
    return True


def _sums(value: Any) -> list[float]:
    found = []
    for one in pytree.tree_leaves(value):
        if isinstance(one, torch.Tensor) and not one.is_meta:
            numbers = one.detach().double()
            found += [float(numbers.sum()), float(numbers.abs().sum())]
    return found


def _near(one: list[float], other: list[float], rounding: float) -> bool:
    if len(one) != len(other):
        return False
    scale = max((abs(x) for x in [*one, *other] if math.isfinite(x)), default=0.0)
    return all(
        abs(a - b) <= rounding * max(scale, 1e-30) or (math.isnan(a) and math.isnan(b)) or a == b
        for a, b in zip(one, other, strict=True)
    )
