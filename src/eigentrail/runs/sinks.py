"""Where numbers of a training are shown as it runs: TensorBoard, MLflow, W&B, trackio, Lightning's loggers."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from eigentrail.errors import OptionError

#: Takes numbers by name, and the step they are of.
Sink: TypeAlias = Callable[[Mapping[str, float], int], None]
# What MLflow takes in names; the others take it too.
_REFUSED = re.compile(r"[^\w\-. :/]")


def as_sink(logger: Any) -> Sink:
    """Make a sink of whatever shows numbers.

    Args:
        logger: something with `log_metrics(numbers, step=...)` (Lightning's loggers, the module or a client of MLflow),
            `add_scalar(name, number, step)` (TensorBoard), `log(numbers, step=...)` (W&B, trackio), or a callable that
            takes numbers and a step.

    Returns:
        The sink. Numbers that are not finite are left out, because most loggers show them as zero.

    Raises:
        OptionError: it is none of these.
    """
    send = _sender(logger)

    def sink(numbers: Mapping[str, float], step: int) -> None:
        finite = {_REFUSED.sub("_", name): float(v) for name, v in numbers.items() if math.isfinite(v)}
        if finite:
            send(finite, step)

    return sink


def _sender(logger: Any) -> Callable[[dict[str, float], int], Any]:
    if callable(getattr(logger, "log_metrics", None)):
        return lambda numbers, step: logger.log_metrics(numbers, step=step)
    if callable(getattr(logger, "add_scalar", None)):

        def add(numbers: dict[str, float], step: int) -> None:
            for name, number in numbers.items():
                logger.add_scalar(name, number, step)

        return add
    if callable(getattr(logger, "log", None)):
        return lambda numbers, step: logger.log(numbers, step=step)
    if callable(logger):
        send: Callable[[dict[str, float], int], Any] = logger
        return send
    raise OptionError(
        f"{type(logger).__name__} objects show no numbers: give something with log_metrics, add_scalar or log, or a "
        "callable that takes numbers and a step"
    )
