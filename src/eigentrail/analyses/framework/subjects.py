"""What analyses are made of: the weight matrices, layers and networks of a run, opened when they are looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Literal

import numpy as np
import xarray as xr
from jaxtyping import Int64

from eigentrail.analyses.framework.memory import memory_of
from eigentrail.analyses.framework.probe import Probe, probed_layers
from eigentrail.chance.optimizer_memory import Memory
from eigentrail.errors import TrajectoryError
from eigentrail.findings import Skipped
from eigentrail.runs import Run
from eigentrail.runs.lazy import RowsArray, lazy_array
from eigentrail.trajectories.joined import joined
from eigentrail.trajectories.rows import FEWEST_STEPS
from eigentrail.trajectories.series import MatrixSeries, matrix_series

#: The node of all layers together.
WHOLE = "(whole network)"
#: Components that are kept, and the numbers that their directions may take.
COMPONENTS = 20
_DIRECTIONS = 2**24
# Numbers of a trajectory that are read in one pass, and steps whose scores are kept.
_NUMBERS, _STEPS = 2 * 10**9, 20_000
# Multiplications above which the Gram matrix takes longer than block Lanczos; so many passes over T n numbers.
_EXACT = 2e11
#: Relative residual at which randomised components stop.
TOLERANCE = 1e-4
#: Steps that the tests against random walks look at: their price grows with the third power.
WALK_STEPS = 64


@dataclass(frozen=True)
class Size:
    """How large a subject is, known before it is read.

    Attributes:
        steps: recorded steps.
        rows: longer side of the matrix; of a tensor or a network, the number of its entries.
        cols: shorter side; 1 for what is no matrix.
    """

    steps: int
    rows: int
    cols: int = 1

    @property
    def n(self) -> int:
        """Numbers at each step."""
        return self.rows * self.cols

    @property
    def products(self) -> float:
        """Multiplications that exact principal components take, roughly."""
        steps, n = float(self.steps), float(self.n)
        return min(steps * steps * n, steps * n * n) + 10.0 * min(steps, n) ** 2

    def __str__(self) -> str:
        return f"{self.rows} x {self.cols} weights" if self.cols > 1 else f"{self.n:,} numbers"


@dataclass(frozen=True)
class Subject:
    """One thing that an analysis is made of.

    Attributes:
        name: the layer's name, or `WHOLE`.
        size: how large it is.
        open: opens it; raises an `EigentrailError` with the reason where it cannot be analysed.
    """

    name: str
    size: Size
    open: Callable[[], Any]


@dataclass(frozen=True)
class Trajectory:
    """Weights over the recorded steps, read when their values are looked at.

    Attributes:
        name: the layer's name, or `WHOLE`.
        weights: [step, ...]; a matrix is [step, out, in].
        memory: how updates remember each other, with the optimizer's momentum, and what weight decay takes.
        stride: every how many recorded steps one is used.
        components: how many principal components are kept.
        method: how they are found.
        notes: what was left out or done otherwise for the sake of time and memory.
        series: the matrix as it is read; None for what is no single matrix.
    """

    name: str
    weights: xr.DataArray
    memory: Memory
    stride: int = 1
    components: int = COMPONENTS
    method: Literal["exact", "randomized"] = "exact"
    notes: tuple[str, ...] = ()
    series: MatrixSeries | None = None

    @property
    def n(self) -> int:
        """How many numbers there are at each step."""
        return int(np.prod(self.weights.shape[1:]))

    @property
    def steps(self) -> Int64[np.ndarray, " t"]:
        """The recorded steps."""
        return np.asarray(self.weights["step"].values)

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """The shape at one step."""
        return tuple(self.weights.shape[1:])

    def thinned(self, most: int) -> xr.DataArray:
        """Keep some steps, evenly spaced.

        Args:
            most: how many.

        Returns:
            At most so many steps, first and last among them.
        """
        return self.weights.isel(step=thinned_places(self.weights.sizes["step"], most))


def thinned_places(count: int, most: int) -> Int64[np.ndarray, " k"]:
    """Choose evenly spaced rows.

    Args:
        count: how many there are.
        most: how many to keep, at least 2.

    Returns:
        Row numbers, ascending, first and last among them.
    """
    return np.unique(np.round(np.linspace(0, count - 1, min(count, most))).astype(np.int64))


def matrices_of(run: Run, layers: str | Sequence[str] | None) -> tuple[list[Subject], list[Skipped]]:
    """List the weight matrices of a run over its steps.

    Args:
        run: the run.
        layers: globs over parameter names; None for all matrices.

    Returns:
        The matrices, convolutions flattened to [out, in * kh * kw], and what is left out.
    """
    found, skipped = matrix_series(run, layers if layers is None or isinstance(layers, str) else list(layers))
    subjects = [
        Subject(
            one.name,
            Size(len(one.steps), one.spec.rows, one.spec.cols),
            partial(_open_matrix, run, one),
        )
        for one in found
    ]
    return subjects, [Skipped(one.name, one.reason) for one in skipped]


def matrix_path(series: MatrixSeries) -> xr.DataArray:
    """See a matrix over its steps as an array that is read when its values are looked at.

    Args:
        series: the matrix.

    Returns:
        [step, out, in].

    Raises:
        TrajectoryError: it is a pool of several matrices.
    """
    spec = series.spec
    if spec.matrices != 1:
        raise TrajectoryError(
            f"it holds {spec.matrices} matrices, each with singular vectors of its own: record them one by one."
        )
    turned = spec.rows < spec.cols

    def read(rows: Int64[np.ndarray, " b"]) -> np.ndarray[tuple[int, int, int], np.dtype[np.floating]]:
        w = series.read(rows)[:, 0]
        return w.swapaxes(1, 2) if turned else w

    shape = (len(series.steps), spec.rows, spec.cols)
    # Numbers are float32 or float64 as they are read; the label only says how much memory a step takes.
    array = RowsArray(shape, np.dtype(np.float32), read)
    return lazy_array(series.name, array, ("out", "in"), series.steps, series.epochs, {})


def _open_matrix(run: Run, series: MatrixSeries) -> Trajectory:
    path = matrix_path(series)
    return Trajectory(series.name, path, memory_of(run), series=series)


def layers_of(run: Run, layers: str | Sequence[str] | None) -> tuple[list[Subject], list[Skipped]]:
    """List the tensors of a run over its steps, and all of them together.

    Args:
        run: the run.
        layers: globs over parameter names; None for all weights with two or more dimensions (for all tensors where
            there are none) and, if there are several tensors, the whole network.

    Returns:
        The trajectories in the run's order, the whole network last; nothing is left out.
    """
    names = run.select(layers)
    if layers is None:
        matrices = [name for name in names if len(run.layers[name].shape) > 1]
        names = [*(matrices or names), *([WHOLE] if len(names) > 1 else [])]
    subjects = []
    for name in names:
        infos = list(run.layers.values()) if name == WHOLE else [run.layers[name]]
        size = Size(min(len(info.steps) for info in infos), sum(int(np.prod(info.shape)) for info in infos))
        subjects.append(Subject(name, size, partial(open_layer, run, name)))
    return subjects, []


def open_layer(run: Run, name: str) -> Trajectory:
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
    size = Size(x.shape[0], int(np.prod(x.shape[1:])))
    count, n = size.steps, size.n
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
    exact = Size(used, n).products <= _EXACT
    if not exact:
        notes.append(
            f"components by block Lanczos from random vectors instead of a {min(used, n)} x {min(used, n)} matrix, "
            f"to a relative error of {TOLERANCE:g} or as stated"
        )
    memory = memory_of(run)
    if memory.momentum:
        notes.append(f"the updates of random walks remember each other as with momentum {memory.momentum:g}")
    if memory.weight_decay:
        notes.append(
            f"random walks lose {memory.weight_decay:.2g} of themselves at each step, as weight decay takes"
        )
    method: Literal["exact", "randomized"] = "exact" if exact else "randomized"
    return Trajectory(name, x, memory, stride, components, method, tuple(notes))


@dataclass(frozen=True)
class Probed:
    """A layer of the network at its last step, with samples.

    Attributes:
        name: the layer's name, or `WHOLE`.
        probe: the network and the samples.
    """

    name: str
    probe: Probe


def probed_of(
    run: Run, layers: str | Sequence[str] | None, probe: Probe
) -> tuple[list[Subject], list[Skipped]]:
    """List the layers of the network that are evaluated.

    Args:
        run: the run.
        layers: globs over parameter names; None for all weights and the whole network.
        probe: the network and the samples.

    Returns:
        The layers, the whole network last; nothing is left out.
    """
    subjects = []
    for name in probed_layers(run, layers):
        infos = list(run.layers.values()) if name == WHOLE else [run.layers[name]]
        size = Size(len(run.steps), sum(int(np.prod(info.shape)) for info in infos))
        subjects.append(Subject(name, size, partial(Probed, name, probe)))
    return subjects, []
