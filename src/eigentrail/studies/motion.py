"""Which trajectories of a run are looked at, how much of each is read, and in which way its components are found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr

from eigentrail.chance.optimizer_memory import Memory
from eigentrail.errors import TrajectoryError
from eigentrail.runs import Run
from eigentrail.studies.layerwise import is_stored
from eigentrail.trajectories.joined import joined
from eigentrail.trajectories.rows import FEWEST_STEPS

#: The node of all layers together.
WHOLE = "(whole network)"
#: Components that are kept, and the numbers that their directions may take.
COMPONENTS = 20
_DIRECTIONS = 2**24
# Numbers of a trajectory that are read in one pass, and steps whose scores are kept.
_NUMBERS, _STEPS = 2 * 10**9, 20_000
# Multiplications above which the Gram matrix takes longer than block Lanczos; so many passes over T n numbers.
_EXACT = 2e11
# What all trajectories of a run may take together where nobody asked for them.
_QUICK_NUMBERS, _QUICK_PRODUCTS = 2 * 10**8, 1.5e11
#: Relative residual at which the randomised components stop.
TOLERANCE = 1e-4
# Steps that the tests against random walks look at: their price grows with the third power.
WALK_STEPS = 64


@dataclass(frozen=True)
class Motion:
    """A trajectory as it is analysed.

    Attributes:
        name: the layer's name, or `WHOLE`.
        weights: [step, ...], read when it is looked at.
        stride: every how many recorded steps one is used.
        components: how many components are kept.
        method: how they are found.
        memory: how updates remember each other, with the optimizer's momentum.
        notes: what was left out or done otherwise for the sake of time and memory.
    """

    name: str
    weights: xr.DataArray
    stride: int
    components: int
    method: Literal["exact", "randomized"]
    memory: Memory
    notes: tuple[str, ...]

    @property
    def n(self) -> int:
        """How many numbers there are at each step."""
        return int(np.prod(self.weights.shape[1:]))

    def thinned(self, most: int) -> xr.DataArray:
        """Keep some steps, evenly spaced.

        Args:
            most: how many.

        Returns:
            At most so many steps, first and last among them.
        """
        return self.weights.isel(step=thinned_places(self.weights.sizes["step"], most))


def thinned_places(count: int, most: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Choose evenly spaced rows.

    Args:
        count: how many there are.
        most: how many to keep, at least 2.

    Returns:
        Row numbers, ascending, first and last among them.
    """
    return np.unique(np.round(np.linspace(0, count - 1, min(count, most))).astype(np.int64))


def motion_names(
    run: Run, layers: str | list[str] | None, analysis: str, version: int, *, share: float | None = None
) -> tuple[list[str], list[str]]:
    """Name the trajectories of a run that are looked at.

    Args:
        run: the run.
        layers: globs over parameter names; None for all weights with two or more dimensions (for all tensors where
            there are none) and, if there are several tensors, the whole network.
        analysis: for which analysis.
        version: the version of its format.
        share: 1 for those only that take seconds together, or whose result is stored; another number for such a share
            of these seconds; None for all.

    Returns:
        The names, in the run's order, the whole network last; and what is left out, as "name: reason".
    """
    names = run.select(layers)
    if layers is None:
        matrices = [name for name in names if len(run.layers[name].shape) > 1]
        names = [*(matrices or names), *([WHOLE] if len(names) > 1 else [])]
    if share is None:
        return names, []
    chosen, skipped, read, done = [], [], 0, 0.0
    for name in names:
        infos = list(run.layers.values()) if name == WHOLE else [run.layers[name]]
        count, n = min(len(info.steps) for info in infos), sum(int(np.prod(info.shape)) for info in infos)
        products = _products(count, n)
        if read + count * n <= share * _QUICK_NUMBERS and done + products <= share * _QUICK_PRODUCTS:
            read, done = read + count * n, done + products
        elif not is_stored(run, analysis, name, version):
            skipped.append(
                f"{name}: {count} steps of {n} numbers take more than seconds; ask for it with --only {analysis}"
            )
            continue
        chosen.append(name)
    return chosen, skipped


def _products(count: int, n: int) -> float:
    """Estimate the multiplications that exact components take."""
    return min(float(count) * count * n, float(count) * n * n) + 10.0 * min(count, n) ** 2


def open_motion(run: Run, name: str) -> Motion:
    """See a layer of a run, or all of them, as a trajectory; nothing is read yet.

    Args:
        run: the run.
        name: a layer's name, or `WHOLE` for all layers one behind the other.

    Returns:
        The trajectory.

    Raises:
        TrajectoryError: it has fewer than 3 steps, its layers appear at different steps, or its directions would not
            fit into memory.
    """
    x = joined(run) if name == WHOLE else run[name]
    count, n = x.shape[0], int(np.prod(x.shape[1:]))
    if count < FEWEST_STEPS:
        raise TrajectoryError(
            f"it has {count} step{'' if count == 1 else 's'} and at least {FEWEST_STEPS} are needed: "
            "record more often or train longer."
        )
    components = min(COMPONENTS, _DIRECTIONS // max(1, n))
    if components < 2:
        raise TrajectoryError(
            f"its {n} numbers at each step are too many to keep directions of: analyse its layers one by one."
        )
    notes = []
    stride = max(1, -(-count * n // _NUMBERS), -(-count // _STEPS))
    if stride > 1:
        x = x.isel(step=slice(None, None, stride))
        notes.append(
            f"one in {stride} of its {count} recorded steps is used; updates are those between these steps"
        )
    used = x.shape[0]
    if components < min(COMPONENTS, used - 1):
        notes.append(f"{components} components are kept, because each has {n:,} numbers")
    exact = _products(used, n) <= _EXACT
    if not exact:
        notes.append(
            f"components by block Lanczos from random vectors instead of a {min(used, n)} x {min(used, n)} matrix, "
            f"to a relative error of {TOLERANCE:g} or as stated"
        )
    memory = memory_of(run)
    if memory.momentum:
        notes.append(f"the updates of random walks remember each other as with momentum {memory.momentum:g}")
    return Motion(name, x, stride, components, "exact" if exact else "randomized", memory, tuple(notes))


def memory_of(run: Run) -> Memory:
    """See how updates remember each other by what a run tells of its optimizer.

    Args:
        run: the run.

    Returns:
        The largest momentum of its parameter groups, Adam's beta_1; none where nothing is known.
    """
    if run.manifest is None:
        return Memory()
    groups = list((run.manifest.optimizer or {}).get("groups") or [])
    groups.append(run.manifest.notes.get("training") or {})
    found = [Memory()]
    for group in groups:
        betas = group.get("betas")
        momentum = betas[0] if isinstance(betas, (list, tuple)) and betas else group.get("momentum")
        if isinstance(momentum, (int, float)) and 0.0 < momentum < 1.0:
            found.append(Memory(float(momentum), group.get("nesterov") is True))
    return max(found, key=lambda one: one.momentum)
