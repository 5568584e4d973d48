"""Is the loss the same when it is computed again, and the mean over samples that it has to be?"""

from __future__ import annotations

import math
import warnings
from typing import Any

import torch

from eigentrail.curvature.calling import refusals
from eigentrail.curvature.point import Point
from eigentrail.data.random_state import chance_kept, seed_all
from eigentrail.data.samples import Batch
from eigentrail.errors import CurvatureError, NumericalWarning
from eigentrail.evaluation.repeating import ROUNDING, Prints, alike, near, sums, watched, where_it_differs


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
    with point.setting(), point.evaluating(), chance_kept():
        for turn in (0, 1):
            seed_all(turn)
            with refusals(point, batch):
                with watched(point.chosen.model) as seen:
                    outputs = point.outputs(point.values, batch)
                loss = point.loss_of(outputs, batch)
            prints.append(seen)
            found.append((outputs, float(loss.detach())))
    rounding = ROUNDING[point.dtype]
    (first, one), (second, other) = found
    if not math.isfinite(one):
        raise CurvatureError(not_finite(one, first))
    if not alike(first, second, rounding):
        where = where_it_differs(prints, rounding)
        raise CurvatureError(
            f"the network gives other outputs each time it is called: {where} draws at random in eval "
            "mode, too: switch it off (dropout of functional form needs training=self.training)."
        )
    if not near([one], [other], rounding):
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
    finite = outputs is None or all(map(math.isfinite, sums(outputs)))
    where = "" if outputs is None else "for finite outputs" if finite else "and so are outputs of the network"
    return (
        f"the loss is {loss} {where}".rstrip()
        + ": check the data and the weights, or train from a lower rate."
    )


def check_mean(point: Point, batch: Batch, first: Batch, second: Batch, *, alone: bool) -> None:
    """Refuse a loss of a batch that is not the mean of those of its parts, each by what it counts.

    Args:
        point: the network and its loss.
        batch: samples.
        first: some of them.
        second: the others.
        alone: whether there is only one batch; then only a sum over samples is told of, for all that samples share is
            within it.

    Raises:
        CurvatureError: it is not, and the curvature would depend on how samples are divided into batches.
    """
    with point.setting(), point.evaluating(), refusals(point, batch):
        losses = [point.loss(point.values, one).detach() for one in (batch, first, second)]
    whole, low, high = map(float, losses)
    mean = (low * first.weight + high * second.weight) / batch.weight
    # The losses of transformers' own models are of single precision in double models too.
    rounding = 10 * max(
        ROUNDING.get(dtype, ROUNDING[point.dtype]) for dtype in (point.dtype, losses[0].dtype)
    )
    if near([whole], [mean], rounding):
        return
    if alone and near([whole], [low + high], rounding):
        warnings.warn(
            f"the loss of {batch.count} samples is {whole:.6g}, the sum of those of its parts, and the curvature is "
            'meant for a mean over samples: take reduction="mean", or divide what you get by their number.',
            NumericalWarning,
            stacklevel=2,
        )
    elif not alone:
        raise CurvatureError(
            f"the loss of {batch.count} samples is {whole:.6g} and the mean over its parts {mean:.6g}: it is no mean "
            "over samples, or samples meet in the network (batch norm without running statistics), and the curvature "
            "would depend on the batches: give weights= for what it counts, or "
            'weights="batches" for the mean over batches.'
        )
