"""A weight matrix over the recorded steps of a run, read a few steps at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float64, Int64, Shaped

from eigentrail.errors import RunError
from eigentrail.runs import Run
from eigentrail.weights import MatrixSpec, Skipped, TensorEntry, TensorStore, open_weights

if TYPE_CHECKING:
    from torch import Tensor


class _AllSteps(TensorStore):
    """The tensors of a run without their numbers: enough to plan which matrices they make."""

    def __init__(self, run: Run):
        last = run.store(int(run.steps[-1]))
        self.source = str(run.path)
        self.config, self.modules = last.config, last.modules
        self.skipped = []
        self.entries = {
            info.name: TensorEntry(
                info.name,
                info.shape,
                info.dtype,
                int(np.prod(info.shape)) * getattr(torch, info.dtype).itemsize,
                info.aliases,
            )
            for info in run.layers.values()
        }
        self._generation = run.generation

    @property
    def fingerprint(self) -> str:
        """The run's generation."""
        return self._generation

    def read(self, name: str) -> Tensor:
        """Refuse: there is no single value.

        Args:
            name: a tensor.

        Raises:
            RunError: always.
        """
        raise RunError(f"{name} has a value at each step of {self.source}: choose one")

    def read_rows(self, name: str, start: int, stop: int) -> Tensor:
        """Refuse: there is no single value.

        Args:
            name: a tensor.
            start: the first entry.
            stop: one past the last.

        Returns:
            Nothing.
        """
        return self.read(name)


@dataclass(frozen=True)
class MatrixSeries:
    """One weight matrix (or one pool of equally shaped matrices) over steps.

    Attributes:
        spec: how it is made of the recorded tensors.
        steps: the steps at which all of these are recorded [T], ascending.
        epochs: the completed epochs at each of them [T]; NaN where they are not known.
    """

    spec: MatrixSpec
    steps: Int64[np.ndarray, " t"]
    epochs: Float64[np.ndarray, " t"]
    _arrays: Mapping[str, xr.DataArray]
    _rows: Mapping[str, Int64[np.ndarray, " t"]]

    @property
    def name(self) -> str:
        """The matrix' name: that of its tensor, with `:part` behind it for a part of a fused one."""
        return self.spec.name

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of pooled matrices k, longer side N and shorter side M."""
        return (
            self.spec.matrices,
            max(self.spec.rows, self.spec.cols),
            min(self.spec.rows, self.spec.cols),
        )

    @property
    def nbytes(self) -> int:
        """The bytes that one step takes in float64."""
        k, n, m = self.shape
        return 8 * k * n * m

    def read(self, rows: Int64[np.ndarray, " b"]) -> Shaped[np.ndarray, "b k n m"]:
        """Read the matrix at some of its steps.

        Args:
            rows: numbers into `steps`.

        Returns:
            [b, k, N, M], N >= M, float32 or float64.
        """
        values = {name: array.variable[self._rows[name][rows]].values for name, array in self._arrays.items()}
        out: list[Shaped[np.ndarray, "k n m"]] = []
        for place in range(len(rows)):
            at_step = {name: _tensor(value[place]) for name, value in values.items()}
            if self.spec.factors is not None:
                matrix = self.spec.factors(at_step.__getitem__).dense()
            else:
                matrix = self.spec.build(at_step.__getitem__)
            array = matrix.numpy()
            array = array[None] if array.ndim == 2 else array
            out.append(array.swapaxes(1, 2) if array.shape[1] < array.shape[2] else array)
        return np.stack(out)


def _tensor(value: np.ndarray) -> Tensor:
    tensor = torch.from_numpy(np.array(value))
    return tensor.float() if tensor.element_size() < 4 else tensor


def matrix_series(
    run: Run, layers: str | list[str] | None = None, conv: str = "flatten"
) -> tuple[list[MatrixSeries], list[Skipped]]:
    """List the weight matrices of a run over its steps; no weights are read.

    Args:
        run: the run, as it is committed now.
        layers: globs over parameter names, a module's name stands for its weight; None for all matrices.
        conv: how convolutions become matrices: "flatten", "spatial" or "slices".

    Returns:
        The matrices in the run's order, and what is left out with the reasons.

    Raises:
        RunError: the run has no matrix.
    """
    if not len(run.steps):
        raise RunError(f"{run.path} holds no step yet")
    weights = open_weights(_AllSteps(run), layers=layers, conv=conv)
    found, skipped = [], list(weights.skipped)
    for spec in weights.specs.values():
        infos = [run.layers[name] for name in spec.tensors]
        steps = infos[0].steps
        for info in infos[1:]:
            steps = np.intersect1d(steps, info.steps)
        if not len(steps):
            skipped.append(Skipped(spec.name, "its parts are never recorded at the same step"))
            continue
        rows = {info.name: np.searchsorted(info.steps, steps) for info in infos}
        arrays = {info.name: run[info.name] for info in infos}
        epochs = np.asarray(infos[0].epochs, dtype=np.float64)[rows[infos[0].name]]
        found.append(MatrixSeries(spec, np.asarray(steps, dtype=np.int64), epochs, arrays, rows))
    if not found:
        why = (
            "; ".join(f"{one.name}: {one.reason}" for one in skipped[:3]) or "nothing but vectors is recorded"
        )
        raise RunError(f"{run.path} has no weight matrix over steps ({why}): record layers with matrices")
    return found, skipped
