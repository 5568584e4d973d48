"""Collapse and separation along a recorded training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from torch import nn

from eigentrail.errors import DataError, FeatureError, RunError
from eigentrail.evaluation.of_run import samples_of
from eigentrail.features.features import Features
from eigentrail.features.separation import FEWEST_LAYERS, fit_law
from eigentrail.runs import Run

_NUMBERS = (
    "nc1", "nc1_over_k", "nc2_equinorm", "nc2_equiangular", "nc2_etf", "nc3", "nc4", "cdnv", "d",
)  # fmt: skip


def collapse_over_steps(
    run: Run,
    steps: Sequence[int] | None = None,
    layers: str | Sequence[str] | None = None,
    data: Any = None,
    *,
    held_out: Any = None,
    samples: int | None = 2000,
    model: nn.Module | None = None,
    seed: int = 0,
    **options: Any,
) -> xr.Dataset:
    """Measure the collapse of each layer at each step of a recorded training.

    Args:
        run: the training, or a folder of checkpoints.
        steps: which of `run.steps`; None for at most 12 of those at which every
            tensor is recorded, spread evenly, the first and the last among them.
        layers: as for `Features`.
        data: the training samples; None for those that the run names.
        held_out: other samples; None for the held-out part that the run names, where it has one.
        samples: at most so many of each part, drawn without replacement; None for all.
        model: the network to load the weights into; None to build what the run says.
        seed: of the samples.
        **options: of `Features` (`reduce`, `token`, `labels`, `batch_size`, ...).

    Returns:
        Variables of `Features.collapse` over (step, part, layer), `accuracy` over (step, part), with four layers or
        more `rho` and `correlation` of log D over (step, part); coordinates `epoch`, `features` and `reading`. The
        attribute `terminal_step` is the first measured step from which on all training samples are classified right; -1
        without one.

    Raises:
        FeatureError: the steps' networks have different layers, or there is nothing to measure.
        RunError: a step is not in the run, or its network cannot be built.
        DataError: the samples are not known.
    """
    chosen = _spread(_common(run)) if steps is None else np.asarray(list(steps))
    if not len(chosen):
        raise FeatureError(f"{run.path} has no step to measure")
    unknown = sorted(set(chosen.tolist()) - set(np.asarray(run.steps).tolist()))
    if unknown:
        raise RunError(f"{run.path} has no step {unknown[0]}: it has {run.steps[0]} to {run.steps[-1]}")
    parts = {"train": samples_of(run, data, count=samples, seed=seed)}
    try:
        parts["held-out"] = samples_of(
            run, held_out if held_out is not None else data, part="test", count=samples, seed=seed
        )
    except DataError:
        if held_out is not None:
            raise
    if "held-out" in parts and held_out is None and isinstance(data, tuple):
        del parts["held-out"]  # a pair has no other part
    tables: list[pd.DataFrame] = []
    accuracies = []
    for step in chosen.tolist():
        network = run.model(int(step), into=model)
        found = Features(network, parts["train"], layers, held_out=parts.get("held-out"), **options)
        table = found.collapse().reset_index().replace({"part": {"given": "train"}})
        if tables and list(table["layer"]) != list(tables[0]["layer"]):
            raise FeatureError(
                f"the network passes other layers at step {step} than at step {int(chosen[0])}"
            )
        tables.append(table)
        names = ["train", "held-out"] if "held-out" in parts else ["given"]
        accuracies.append([np.nan if (a := found.accuracy(name)) is None else a for name in names])
    return _dataset(run, chosen, list(parts), tables, np.array(accuracies))


def _dataset(
    run: Run,
    steps: np.ndarray[Any, Any],
    parts: list[str],
    tables: list[pd.DataFrame],
    accuracy: np.ndarray[Any, Any],
) -> xr.Dataset:
    first = tables[0][tables[0]["part"] == parts[0]]
    layers = list(first["layer"])

    def stacked(name: str) -> np.ndarray[Any, Any]:
        return np.array([[t[t["part"] == p][name].to_numpy(np.float64) for p in parts] for t in tables])

    made: dict[str, Any] = {name: (("step", "part", "layer"), stacked(name)) for name in _NUMBERS}
    made["accuracy"] = (("step", "part"), accuracy)
    d = made["d"][1]
    if len(layers) >= FEWEST_LAYERS and bool((np.isfinite(d) & (d > 0)).all()):
        fits = [[fit_law(row) for row in one] for one in d]
        made["rho"] = (("step", "part"), np.array([[fit.rho for fit in row] for row in fits]))
        made["correlation"] = (("step", "part"), np.array([[fit.correlation for fit in row] for row in fits]))
    terminal = _terminal(steps, accuracy[:, 0])
    return xr.Dataset(
        made,
        coords={
            "step": steps,
            "epoch": ("step", _epochs(run, steps)),
            "part": parts,
            "layer": layers,
            "features": ("layer", first["features"].to_numpy()),
            "reading": ("layer", first["reading"].to_numpy(str)),
        },
        attrs={
            "terminal_step": terminal,
            "classes": int(first["classes"].max()),
            "per_class": int(first["per_class"].min()),
        },
    )


def _common(run: Run) -> np.ndarray[Any, Any]:
    """Find the steps at which every tensor is recorded: tensors may be recorded at different rates."""
    shared = set.intersection(*(set(info.steps.tolist()) for info in run.layers.values()))
    return np.array(sorted(shared), dtype=np.int64)


def _terminal(steps: np.ndarray[Any, Any], accuracy: np.ndarray[Any, Any]) -> int:
    """Find the step from which on the training accuracy is 100%."""
    short = np.flatnonzero(~(accuracy >= 1.0))
    place = 0 if not len(short) else int(short[-1]) + 1
    return int(steps[place]) if place < len(steps) else -1


def _epochs(run: Run, steps: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    info = next(iter(run.layers.values()))
    return np.asarray(np.interp(steps, info.steps, info.epochs))


def _spread(steps: np.ndarray[Any, Any], most: int = 12) -> np.ndarray[Any, Any]:
    if len(steps) <= most:
        return steps
    return np.asarray(steps[np.unique(np.round(np.linspace(0, len(steps) - 1, most)).astype(int))])
