"""Analyses of the weight matrices of a run, one by one, as labelled arrays over steps."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Int64

from eigentrail._progress import Progress, shown
from eigentrail.chance.optimizer_memory import Memory
from eigentrail.errors import TrajectoryError
from eigentrail.runs import Run
from eigentrail.runs.lazy import RowsArray, lazy_array
from eigentrail.studies.layerwise import layer_by_layer
from eigentrail.studies.motion import memory_of
from eigentrail.trajectories.series import MatrixSeries, matrix_series

# What an analysis that nobody asked for may take.
_SECONDS_A_LAYER, _SECONDS = 25.0, 90.0
# Seconds between two reports of work within a layer.
_PAUSE = 2.0


@dataclass(frozen=True)
class MatrixAnalysis:
    """An analysis of each weight matrix of a run.

    Attributes:
        name: its name.
        version: the version of its own format.
        one: analyses one matrix; is given what to tell of its work, and how the updates of the run remember each other.
        seconds: estimates what that takes, on one core.
        about: what takes long, of a matrix of some rows and columns.
        arguments: all that the result depends on besides run and layer.
    """

    name: str
    version: int
    one: Callable[[MatrixSeries, Progress, Memory], xr.Dataset | xr.DataTree]
    seconds: Callable[[MatrixSeries], float]
    about: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def compute(
        self,
        run: Run,
        *,
        layers: str | list[str] | None = None,
        jobs: int = 1,
        progress: Progress | bool | None = None,
    ) -> xr.DataTree:
        """Analyse the matrices; what is stored is not made again.

        Args:
            run: the run.
            layers: globs over parameter names; None for all matrices.
            jobs: not used: each matrix is worked on in batches.
            progress: as everywhere.

        Returns:
            A node per layer; `attrs["skipped"]` says what is left out and why.
        """
        del jobs
        series, skipped = matrix_names(run, layers)
        return self._made(run, series, skipped, progress)

    def quick(
        self,
        run: Run,
        *,
        layers: str | list[str] | None = None,
        jobs: int = 1,
        progress: Progress | bool | None = None,
        share: float = 1.0,
    ) -> xr.DataTree:
        """Analyse the matrices for which it takes seconds, and those whose result is stored.

        Args:
            run: the run.
            layers: globs over parameter names; None for all matrices.
            jobs: not used.
            progress: as everywhere.
            share: of these seconds.

        Returns:
            The same; the other layers are in `attrs["skipped"]` with what they take and how to ask for them.
        """
        del jobs
        series, skipped = matrix_names(run, layers)
        chosen: set[str] = set()
        total = 0.0
        for name, one in sorted(series.items(), key=lambda item: self.seconds(item[1])):
            seconds = 0.0 if self._kept(run, name) else self.seconds(one)
            if seconds <= share * _SECONDS_A_LAYER and total + seconds <= share * _SECONDS:
                chosen.add(name)
                total += seconds
            else:
                skipped.append(
                    f"{name}: {self.about} of {one.spec.rows} x {one.spec.cols} weights takes about "
                    f"{_duration(seconds)}; ask for it with --only {self.name}"
                )
        return self._made(run, {name: series[name] for name in series if name in chosen}, skipped, progress)

    def _made(
        self, run: Run, series: dict[str, MatrixSeries], skipped: list[str], progress: Progress | bool | None
    ) -> xr.DataTree:
        def made(report: Progress) -> xr.DataTree:
            telling = _Telling(report)

            def one(run: Run, layer: str) -> xr.Dataset | xr.DataTree:
                return self.one(series[layer], telling.within, memory_of(run))

            return layer_by_layer(
                run,
                self.name,
                one,
                layers=list(series),
                arguments=self.arguments,
                version=self.version,
                skipped=skipped,
                progress=telling,
            )

        if callable(progress):
            return made(progress)
        with shown(self.name, progress) as report:
            return made(report)

    def _kept(self, run: Run, layer: str) -> bool:
        found = run.analyses.get(self.name, {"layer": layer, **self.arguments}, self.version)
        return isinstance(found, xr.DataTree) and found.attrs.get("count") == len(run.steps)


class _Telling:
    """Tells of the work within a layer, not too often: a log is read by people."""

    def __init__(self, report: Progress) -> None:
        self._report = report
        self._at = ("", 0, 1)
        self._last = time.monotonic()

    def __call__(self, item: str, done: int, total: int) -> None:
        self._at = (item, done, total)
        self._report(item, done, total)

    def within(self, item: str, done: int, total: int) -> None:
        if time.monotonic() - self._last > _PAUSE:
            self._last = time.monotonic()
            layer, number, layers = self._at
            self._report(f"{layer}: {item} {done} of {total}", number, layers)


def _duration(seconds: float) -> str:
    return f"{max(1, round(seconds / 60))} min" if seconds >= 90 else f"{round(seconds)} s"


def matrix_names(
    run: Run, layers: str | list[str] | None = None
) -> tuple[dict[str, MatrixSeries], list[str]]:
    """List the weight matrices of a run.

    Args:
        run: the run.
        layers: globs over parameter names; None for all matrices.

    Returns:
        The matrices by name, convolutions flattened to [out, in * kh * kw], and what is left out as "name: reason".
    """
    found, skipped = matrix_series(run, layers)
    return {one.name: one for one in found}, [f"{one.name}: {one.reason}" for one in skipped]


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
