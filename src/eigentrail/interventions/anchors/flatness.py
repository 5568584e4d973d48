"""How wide the loss's valley is along a direction (Feng & Tu 2021)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from scipy.optimize import brentq, minimize_scalar
from torch import Tensor, nn

from eigentrail._arrays import to_float64
from eigentrail.errors import CurvatureError
from eigentrail.interventions.anchors.spectral_anchor import chosen_parameters

_FARTHEST = 2.0**40


@torch.no_grad()
def flatness(
    model: nn.Module,
    loss: Callable[[Tensor, Tensor], Tensor],
    data: tuple[Tensor, Tensor],
    directions: Any,
    layers: str | Sequence[str] | None = None,
) -> Float64[np.ndarray, " k"]:
    """Measure the width F_i of the loss along directions through the present weights.

    F_i is the distance along direction i between the two points where the loss is e times its minimum on that line.

    Args:
        model: the network; its weights are put back.
        loss: loss(outputs, targets), a mean over samples.
        data: inputs and targets.
        directions: [k, n] unit rows over the chosen parameters in `named_parameters` order.
        layers: globs that chose the parameters; None: all.

    Returns:
        [k] widths; infinite where the loss stays below e times its minimum on a side.

    Raises:
        CurvatureError: the loss's minimum on a line is not positive.
    """
    parameters = list(chosen_parameters(model, layers).values())
    kept = [parameter.detach().clone() for parameter in parameters]
    sizes = [parameter.numel() for parameter in parameters]
    rows = torch.from_numpy(to_float64(directions)).to(parameters[0])
    training = model.training
    model.eval()
    widths = []
    try:
        for row in rows:
            steps = [
                part.reshape(p.shape) for part, p in zip(torch.split(row, sizes), parameters, strict=True)
            ]

            def at(t: float, steps: list[Tensor] = steps) -> float:
                for parameter, old, step in zip(parameters, kept, steps, strict=True):
                    parameter.copy_(old + t * step)
                return float(loss(model(data[0]), data[1]))

            widths.append(_width(at))
    finally:
        model.train(training)
        for parameter, old in zip(parameters, kept, strict=True):
            parameter.copy_(old)
    return np.array(widths)


def _width(at: Callable[[float], float]) -> float:
    found = minimize_scalar(at, bracket=(-1e-2, 1e-2))
    middle, least = float(found.x), float(found.fun)
    if not least > 0.0:
        raise CurvatureError(
            f"the loss's minimum along a direction is {least:g}: e times it is no higher level."
        )
    level = math.e * least
    ends = []
    for side in (-1.0, 1.0):
        step = 1e-2
        while at(middle + side * step) < level:
            step *= 2.0
            if step > _FARTHEST:
                return math.inf
        ends.append(brentq(lambda t, side=side: at(middle + side * t) - level, 0.0, step, rtol=1e-8))
    return float(sum(ends))
