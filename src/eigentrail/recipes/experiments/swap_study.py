"""`study class-swap`: what leading singular vectors do when five classes give way to the other five (S0)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float64

from eigentrail._progress import Progress
from eigentrail.analyses.framework.memory import memory_of
from eigentrail.chance import requested
from eigentrail.chance.optimizer_memory import Memory
from eigentrail.errors import EigentrailError
from eigentrail.recipes.experiments.geodesic_study import kinks_row, path_row
from eigentrail.recipes.experiments.swap_claims import swap_claims
from eigentrail.recipes.framework.experiment import Experiment, Trained, called, why_lacking
from eigentrail.recipes.framework.measurement import Measurement, last_scores
from eigentrail.recipes.framework.trial import Trial
from eigentrail.training import TrainingSettings
from eigentrail.trajectories.geodesic import thinned
from eigentrail.trajectories.singular_path import singular_path

#: The parts of a path that are fitted.
PARTS = ("whole", "before", "after")
# Epochs after the swap that S0 names, and the steps that paths are thinned to.
_AFTER = 3.0
_STEPS = 60


@dataclass(frozen=True, kw_only=True)
class SwapStudy(Experiment):
    """The classes are swapped in mid-training; trainings of the first classes throughout are the control.

    Attributes:
        every: every how many of its recorded steps the studied layer is looked at.
    """

    seeds: tuple[int, int] = (1, 3)
    together: bool = True
    every: int = 4

    def trials(self, settings: TrainingSettings, full: bool, seeds: int = 1) -> list[Trial]:
        """Plan the trainings with the swap and those without.

        Args:
            settings: the study's.
            full: not used.
            seeds: how many.

        Returns:
            The trials.
        """
        del full
        first = settings.phases[0]
        alone = {"phases": [{"start": first.start, "classes": list(first.classes)}]}
        return [
            Trial("swap", seeds=seeds),
            Trial("control", alone, seeds=seeds),
        ]

    def measure(
        self, trained: Sequence[Trained], results: Mapping[str, Mapping[str, xr.DataTree]], tell: Progress
    ) -> Measurement:
        """Look at the paths around the swap; the control is looked at around the same epoch.

        Args:
            trained: the trials.
            results: not used.
            tell: told about the progress.

        Returns:
            A row for each training, S0's claims, and `paths` for the figures.
        """
        del results
        swap = next(one.settings[0].phases[1].start for one in trained if len(one.settings[0].phases) > 1)
        rows: list[dict[str, Any]] = []
        paths: dict[str, xr.Dataset] = {}
        pools: dict[tuple[str, str], xr.Dataset] = {}
        left_out: list[tuple[str, str]] = []
        total = sum(len(one.runs) for one in trained)
        for one in trained:
            for run, settings, wild in zip(one.runs, one.settings, one.diverged, strict=True):
                tell(f"paths of {one.trial.name}, seed {settings.seed}", len(rows), total)
                row: dict[str, Any] = {
                    "trial": one.trial.name,
                    "seed": settings.seed,
                    "status": "diverged" if wild else run.status,
                    "swap_epoch": swap,
                    **last_scores(run),
                    **_phases(run.metrics),
                }
                rows.append(row)
                if wild:
                    continue
                x = self._looked_at(run[self.studied])
                memory = memory_of(run)
                measured: dict[str, Any] = {}
                try:
                    found = {
                        part: _fitted(_part(x, part, swap), (one.trial.name, part), pools, memory)
                        for part in PARTS
                    }
                    for part, path in found.items():
                        fits = path_row(path, pools[one.trial.name, part])
                        measured |= {f"{part}_{name}": value for name, value in fits.items()}
                    # Where kinks lie is compared with the trainings without a swap, not with walks.
                    kinks = kinks_row(x)
                    measured |= kinks | around(found["whole"], x, swap, kinks)
                except EigentrailError as error:
                    row["note"] = f"{self.studied}: {error}"
                    left_out.append((called(one.trial, settings), row["note"]))
                    continue
                row |= measured
                paths[f"{one.trial.name}-{settings.seed}"] = turning(found["whole"])
        tell("paths fitted", total, total)
        table = pd.DataFrame(rows)
        known = [row for row in rows if "heading" in row]
        there = {row["trial"] for row in known}
        if lacking := [one.trial.name for one in trained if one.trial.name not in there]:
            return Measurement(
                table, left_out=tuple(left_out), missing=why_lacking(lacking, trained, left_out)
            )
        return Measurement(table, tuple(swap_claims(pd.DataFrame(known))), paths, tuple(left_out))

    def _looked_at(self, x: xr.DataArray) -> xr.DataArray:
        # The source's paths have a point an epoch; neighbouring steps hardly differ and each costs a decomposition.
        last = x.sizes["step"] - 1
        return x.isel(step=np.unique([*range(0, last, self.every), last]))


def _part(x: xr.DataArray, part: str, swap: float) -> xr.DataArray:
    epochs = x["epoch"].values
    places = {
        "whole": np.arange(len(epochs)),
        "before": np.flatnonzero(epochs <= swap),
        "after": np.flatnonzero(epochs >= swap),
    }[part]
    return x.isel(step=places[thinned(len(places), _STEPS)])


def _fitted(
    x: xr.DataArray, key: tuple[str, str], pools: dict[tuple[str, str], xr.Dataset], memory: Memory
) -> xr.Dataset:
    path = singular_path(x, null=0 if key in pools else requested.ENOUGH, **asdict(memory))
    pools.setdefault(key, path)
    return path


def _phases(metrics: xr.Dataset) -> dict[str, float]:
    found = {}
    for name in ("test_accuracy_phase1", "test_accuracy_phase2"):
        if name in metrics:
            found[name] = float(metrics[name].dropna("step")[-1])
    return found


def turning(path: xr.Dataset) -> xr.Dataset:
    """Tell how far the leading vector turns from step to step.

    Args:
        path: from `singular_path`.

    Returns:
        Over [step], with `epoch`: `turn`, the angle between the right vector and the one before, per epoch, and
        `residual`, its angle to the great 2-sphere of the whole path, both in radians.
    """
    v = path["right"].values.astype(np.float64)
    epochs = path["epoch"].values
    angle = np.concatenate([[np.nan], _angles(v[1:], v[:-1]) / np.maximum(np.diff(epochs), 1e-12)])
    residual = path["residuals"].sel(side="right", dims=2).values
    return xr.Dataset(
        {"turn": ("step", angle), "residual": ("step", residual)},
        coords={"step": path["step"].values, "epoch": ("step", epochs)},
    )


def _angles(a: Float64[np.ndarray, "t n"], b: Float64[np.ndarray, "t n"]) -> Float64[np.ndarray, " t"]:
    a = a / np.linalg.norm(a, axis=1, keepdims=True)
    b = b / np.linalg.norm(b, axis=1, keepdims=True)
    chord = np.minimum(np.linalg.norm(a - b, axis=1), np.linalg.norm(a + b, axis=1))
    return np.asarray(2.0 * np.arcsin(np.clip(chord / 2.0, 0.0, 1.0)))


def around(path: xr.Dataset, x: xr.DataArray, swap: float, kinks: Mapping[str, Any]) -> dict[str, Any]:
    """Look at a path around the epoch of the swap.

    Args:
        path: the whole path.
        x: the weights over steps.
        swap: the epoch.
        kinks: from `kinks_row`.

    Returns:
        `turned_before` and `turned_after`, the angle by which the right vector turned in the three epochs on either
        side; `heading`, the cosine between its motion in those before and its motion from three epochs after to the
        end, and `heading_chance`, its mean size between random directions; `residual_swap`, the mean angle to the great
        2-sphere in the epochs after the swap over the median of all; `change_near` and `crossing_near`, whether a
        change between geodesics, or of the leading direction, lies in these epochs.
    """
    epochs, v = path["epoch"].values, path["right"].values.astype(np.float64)
    reach = min(_AFTER, 0.3 * float(epochs[-1]))

    def at(epoch: float) -> int:
        return int(np.abs(epochs - epoch).argmin())

    before, now, after, last = at(swap - reach), at(swap), at(swap + reach), len(v) - 1
    moved, moves = v[now] - v[before], v[last] - v[after]
    lengths = float(np.linalg.norm(moved) * np.linalg.norm(moves))
    residual = path["residuals"].sel(side="right", dims=2).values
    near = residual[now : after + 1]
    steps, all_epochs = x["step"].values, x["epoch"].values

    def inside(listed: str) -> bool:
        times = [all_epochs[np.searchsorted(steps, int(step))] for step in listed.split()]
        return any(swap - 0.5 <= time <= swap + reach for time in times)

    return {
        "turned_before": float(_angles(v[[before]], v[[now]])[0]),
        "turned_after": float(_angles(v[[now]], v[[after]])[0]),
        "heading": float(moved @ moves) / lengths if lengths > 0 else float("nan"),
        "heading_chance": float(np.sqrt(2.0 / (np.pi * v.shape[1]))),
        "residual_swap": float(near.mean() / np.median(residual))
        if np.median(residual) > 0
        else float("nan"),
        "change_near": inside(kinks["changes"]),
        "crossing_near": inside(kinks["leading_steps"]),
    }
