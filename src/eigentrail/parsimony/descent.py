"""Gradient descent with decay and momentum on a list of weight matrices, whose gradient is known in closed form."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from eigentrail._numbers import real, whole
from eigentrail.errors import DivergenceError, OptionError
from eigentrail.parsimony.initial import Matrix

#: The loss and its gradients at the weights W_1, ..., W_L.
Gradients = Callable[[Sequence[Matrix]], tuple[float, list[Matrix]]]

# A descent that is stable stays below its start, but for what momentum overshoots.
_RISE = 1.5


@dataclass(frozen=True)
class Descent:
    """The settings of gradient descent.

    V <- momentum V + grad + decay W, then W <- W - rate V; without momentum that is S3's
    W <- (1 - rate decay) W - rate grad.

    Attributes:
        rate: eta.
        decay: lambda.
        momentum: of the heavy ball, 0 for plain descent.
        rates: a factor on the rate for each layer; None for 1 throughout.
    """

    rate: float
    decay: float = 0.0
    momentum: float = 0.0
    rates: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if not real("rate", self.rate) > 0.0:
            raise OptionError(f"rate is positive, not {self.rate:g}.")
        if real("decay", self.decay) < 0.0:
            raise OptionError(f"decay is zero or positive, not {self.decay:g}.")
        if not 0.0 <= real("momentum", self.momentum) < 1.0:
            raise OptionError(f"momentum is at least 0 and below 1, not {self.momentum:g}.")
        for factor in self.rates or ():
            if real("a factor on the rate", factor) < 0.0:
                raise OptionError(f"a factor on the rate is zero or positive, not {factor:g}.")


class State(NamedTuple):
    """Where a descent is.

    Attributes:
        step: how many steps were made.
        weights: the weights, which the next step changes in place.
        loss: at these weights.
    """

    step: int
    weights: list[Matrix]
    loss: float


def descend(
    weights: Sequence[Matrix], gradients: Gradients, settings: Descent, steps: int
) -> Iterator[State]:
    """Make steps of gradient descent.

    Args:
        weights: W_1, ..., W_L at the start; copied.
        gradients: the loss and its gradients.
        settings: rate, decay and momentum.
        steps: how many are made.

    Yields:
        The state at step 0, 1, ..., `steps`. Its weights are the descent's own: copy what is to be kept.

    Raises:
        DivergenceError: the loss is not finite or has risen above its start, at the step where it does.
        OptionError: there is no factor on the rate for each layer, or `steps` is no number of steps.
    """
    steps = whole("steps", steps)
    now = [np.array(w, dtype=np.float64) for w in weights]
    factors = settings.rates or (1.0,) * len(now)
    if len(factors) != len(now):
        raise OptionError(f"{len(factors)} factors on the rate for {len(now)} layers: give one for each.")
    velocity = [np.zeros_like(w) for w in now] if settings.momentum else None
    start = math.inf
    for step in range(steps + 1):
        with np.errstate(over="ignore", invalid="ignore"):
            loss, slopes = gradients(now)
            if step == 0:
                start = loss
            if not loss <= _RISE * start + 1e-300:
                raise DivergenceError(step, settings.rate)
            yield State(step, now, loss)
            if step == steps:
                return
            for layer, slope in enumerate(slopes):
                if not (rate := settings.rate * factors[layer]):
                    continue
                pull = slope + settings.decay * now[layer] if settings.decay else slope
                if velocity is not None:
                    velocity[layer] *= settings.momentum
                    velocity[layer] += pull
                    pull = velocity[layer]
                now[layer] -= rate * pull


def run_descent(weights: Sequence[Matrix], gradients: Gradients, settings: Descent, steps: int) -> State:
    """Make steps of gradient descent and give the last state.

    Args:
        weights: W_1, ..., W_L at the start; copied.
        gradients: the loss and its gradients.
        settings: rate, decay and momentum.
        steps: how many are made.

    Returns:
        The state after the last step.
    """
    *_, last = descend(weights, gradients, settings, steps)
    return last
