"""A descent in closed form as an ordinary recorded run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch

from eigentrail.networks.deep_linear import DeepLinear
from eigentrail.parsimony.descent import Descent, Gradients, descend
from eigentrail.parsimony.initial import Matrix
from eigentrail.runs import Recorder, Run, open_run


def record_descent(
    path: str | os.PathLike[str],
    weights: Sequence[Matrix],
    gradients: Gradients,
    settings: Descent,
    steps: int,
    *,
    every: int = 1,
    seed: int | None = None,
    notes: dict[str, Any] | None = None,
    overwrite: bool = False,
) -> Run:
    """Descend and record the weights, so that evolution, subspaces and pages work on them.

    Args:
        path: the run's folder; made if it is not there.
        weights: W_1, ..., W_L at the start.
        gradients: the loss and its gradients.
        settings: rate, decay and momentum.
        steps: how many are made.
        every: the layers are recorded at every so many steps, and at the last.
        seed: of the initial weights, kept with the run.
        notes: anything else to keep, as plain data.
        overwrite: True to replace a run that is there.

    Returns:
        The run: layers "fc1.weight", "fc2.weight", ... in double precision, and the metric `loss`.
    """
    widths = [weights[0].shape[1], *(w.shape[0] for w in weights)]
    build = partial(
        DeepLinear,
        input_shape=(widths[0],),
        classes=widths[-1],
        depth=len(weights),
        hidden=tuple(widths[1:-1]),
    )
    model = build()
    layers = [model.get_parameter(f"fc{number}.weight") for number in range(1, len(weights) + 1)]

    def load(now: Sequence[Matrix]) -> None:
        with torch.no_grad():
            for layer, w in zip(layers, now, strict=True):
                layer.copy_(torch.as_tensor(w))

    load(weights)
    recorder = Recorder(
        model,
        path,
        every=every,
        steps=steps,
        rebuild=build,
        optimizer={
            "class": "eigentrail.parsimony.descent:Descent",
            "groups": [{"lr": settings.rate, "weight_decay": settings.decay, "momentum": settings.momentum}],
        },
        seed=seed,
        notes=notes,
        overwrite=overwrite,
        report=None,
    )
    with recorder:
        for state in descend(weights, gradients, settings, steps):
            if state.step:
                load(state.weights)
                recorder.step(loss=state.loss)
            else:
                recorder.log(loss=state.loss)
    return open_run(path)
