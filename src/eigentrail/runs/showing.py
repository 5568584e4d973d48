"""The numbers of a finished run, sent to what shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from eigentrail.chance import LEVEL
from eigentrail.runs.layer_numbers import as_matrix, layer_numbers, singular_values
from eigentrail.runs.run import Run
from eigentrail.runs.sinks import as_sink


def show_run(
    run: Run, logger: Any, layers: str | Sequence[str] | None = None, points: int = 200, prefix: str = ""
) -> np.ndarray[Any, Any]:
    """Send a run's metrics, and the norms, ranks, spikes and phases of its weight matrices, to a logger.

    The same numbers as `Monitor` gives while a network trains: of convolutions [out, in, ...] as matrices
    [out, in * ...], a phase as its place in `eigentrail.spectra.phases.PHASES`.

    Args:
        run: from `open_run`.
        logger: see `eigentrail.runs.sinks.as_sink`.
        layers: globs over names; None for all matrices.
        points: at most so many evenly spread steps of each layer; metrics are sent at every step.
        prefix: what every name begins with, such as "seed1/" for one of several runs in one logger.

    Returns:
        The steps at which something was sent, ascending.
    """
    sink = as_sink(logger)
    at: dict[int, dict[str, float]] = {}
    for name, values in run.metrics.data_vars.items():
        for step, value in zip(run.metrics.step.values.tolist(), values.values.tolist(), strict=True):
            at.setdefault(step, {})[str(name)] = value
    for name in run.select(layers):
        layer = run[name]
        if layer.ndim < 3:
            continue
        places = np.unique(np.linspace(0, layer.sizes["step"] - 1, points).round().astype(int))
        for place in places:
            matrix = as_matrix(torch.as_tensor(layer[int(place)]))
            if matrix is None or not bool(torch.isfinite(matrix).all()):
                continue
            numbers = layer_numbers(singular_values(matrix), max(matrix.shape), min(matrix.shape), LEVEL)
            row = at.setdefault(int(layer.step.values[place]), {})
            row.update({f"{name}/{key}": value for key, value in numbers.items()})
    steps = sorted(at)
    for step in steps:
        sink({f"{prefix}{name}": value for name, value in at[step].items()}, step)
    return np.array(steps, dtype=np.int64)
