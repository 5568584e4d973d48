"""Weights over steps as rows of numbers, read a few steps at a time and checked as they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float64, Int64, Shaped

from eigentrail._arrays import is_tensor, to_numpy
from eigentrail._numbers import written
from eigentrail.errors import TrajectoryError

FEWEST_STEPS = 3
_MEMORY = 2**27
# Bytes of what is read ahead of steps that are looked at one by one.
_AHEAD = 2**24


class Rows:
    """The trajectory w(t) of n numbers, [T, n].

    Attributes:
        shape: the shape of the weights at one step.
        steps: [T] the steps.
        coordinates: the labels along the steps, for results that are labelled.
        itemsize: bytes of one number as it is read.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        steps: Shaped[np.ndarray, " t"],
        coordinates: dict[str, Any],
        dtype: np.dtype[Any],
        read: Callable[[Int64[np.ndarray, " b"]], Shaped[np.ndarray, "b ..."]],
    ) -> None:
        self.shape = shape
        self.steps = steps
        self.coordinates = coordinates
        self.itemsize = max(dtype.itemsize, 4)
        self._read = read

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def n(self) -> int:
        """How many numbers there are at each step."""
        return int(np.prod(self.shape))

    def read(self, start: int, stop: int) -> Shaped[np.ndarray, "b n"]:
        """Read some of the steps.

        Args:
            start: number of the first row.
            stop: one past the last.

        Returns:
            [stop - start, n] float32 or float64.

        Raises:
            TrajectoryError: a step holds NaN or infinity, of which the first one is named, or no real numbers.
        """
        return self.at(np.arange(start, stop))

    def at(self, places: Int64[np.ndarray, " b"]) -> Shaped[np.ndarray, "b n"]:
        """Read steps that need not be neighbours, all at once: each read of its own costs as much as many numbers.

        Args:
            places: their numbers.

        Returns:
            [b, n] float32 or float64.

        Raises:
            TrajectoryError: a step holds NaN or infinity, of which the first one is named, or no real numbers.
        """
        rows = _real(to_numpy(self._read(places))).reshape(len(places), self.n)
        # One sum tells of any NaN or infinity; only then each step is looked at.
        with np.errstate(over="ignore", invalid="ignore"):
            fine = np.isfinite(rows.sum(axis=1, dtype=np.float64))
        if not fine.all():
            for place in np.flatnonzero(~fine):
                if not np.isfinite(rows[place]).all():
                    # Steps are read in any order, and those to select end before the first bad one of all.
                    first = self._first_bad(int(places[place]))
                    raise TrajectoryError(
                        f"the weights hold NaN or infinity at step {self.steps[first]}: "
                        "select the steps before the training diverged."
                    )
        return rows

    def _first_bad(self, known: int) -> int:
        """Find the first row that is not finite; `known` is one."""
        size = max(1, _MEMORY // (self.n * self.itemsize))
        for start in range(0, known, size):
            count = min(size, known - start)
            rows = _real(to_numpy(self._read(np.arange(start, start + count)))).reshape(count, self.n)
            bad = ~np.isfinite(rows).all(axis=1)
            if bad.any():
                return start + int(bad.argmax())
        return known

    def blocks(self, memory: int = _MEMORY) -> Iterator[tuple[int, int, Shaped[np.ndarray, "b n"]]]:
        """Go through all steps.

        Args:
            memory: bytes that a block may take.

        Yields:
            First row, one past the last, and the rows [b, n].
        """
        size = max(1, min(len(self), memory // (self.n * self.itemsize)))
        for start in range(0, len(self), size):
            stop = min(start + size, len(self))
            yield start, stop, self.read(start, stop)

    def one_by_one(
        self, places: Int64[np.ndarray, " s"] | None = None, memory: int = _AHEAD
    ) -> Iterator[Shaped[np.ndarray, " n"]]:
        """Go through steps one after the other, some of which are read ahead.

        Args:
            places: their numbers; None for all.
            memory: bytes that what is read ahead may take.

        Yields:
            [n] each of them.
        """
        wanted = np.arange(len(self)) if places is None else places
        size = max(1, memory // (self.n * self.itemsize))
        for start in range(0, len(wanted), size):
            yield from self.at(wanted[start : start + size])

    def select(self, places: Int64[np.ndarray, " s"]) -> Rows:
        """Keep some of the steps.

        Args:
            places: their numbers, ascending.

        Returns:
            The trajectory of those.
        """

        def read(some: Int64[np.ndarray, " b"]) -> Shaped[np.ndarray, "b n"]:
            return self.at(places[some])

        labels = {
            name: value[places] if not isinstance(value, tuple) else (value[0], value[1][places])
            for name, value in self.coordinates.items()
        }
        return Rows(self.shape, self.steps[places], labels, np.dtype(f"f{self.itemsize}"), read)

    def updates(self) -> Rows:
        """Give the updates w(t+1) - w(t) in place of the weights.

        Returns:
            The trajectory of T - 1 updates, each labelled by the step that it leads to.
        """

        def read(some: Int64[np.ndarray, " b"]) -> Float64[np.ndarray, "b n"]:
            index = _index(some)
            if isinstance(index, slice):
                all_ = self.at(np.arange(index.start, index.stop + 1)).astype(np.float64)
                return np.asarray(np.diff(all_, axis=0))
            return np.asarray(self.at(some + 1).astype(np.float64) - self.at(some))

        labels = {
            name: value if not isinstance(value, tuple) else (value[0], value[1][1:])
            for name, value in self.coordinates.items()
            if name != "step"
        }
        return Rows(
            self.shape, self.steps[1:], {"step": self.steps[1:], **labels}, np.dtype(np.float64), read
        )


def open_rows(x: Any, fewest: int = FEWEST_STEPS) -> Rows:
    """See an array over steps as rows; nothing is read yet.

    Args:
        x: [T, ...]: a layer of a run (`run[layer]`, read lazily), an array, a tensor, or a sequence of arrays.
        fewest: the smallest number of steps that will do.

    Returns:
        Its rows.

    Raises:
        TrajectoryError: it is no array over steps, or it has fewer steps, steps of different shapes, or no numbers.
    """
    if isinstance(x, xr.DataArray):
        return _checked(_labelled(x), fewest)
    if not is_tensor(x) and not hasattr(x, "__len__"):
        raise TrajectoryError(
            f"a trajectory is [T, ...], the weights at each of T steps, not {written(x)}: give an array, a tensor or "
            "run[layer]."
        )
    if not is_tensor(x) and not isinstance(x, np.ndarray):
        shapes = {tuple(np.shape(step)) for step in x}
        if len(shapes) > 1:
            raise TrajectoryError(
                f"the steps have different shapes {sorted(shapes)}: a trajectory is that of one tensor."
            )
        x = np.stack([to_numpy(step) for step in x]) if len(x) else np.zeros((0, 0))
    if x.ndim < 2:
        raise TrajectoryError(
            f"a trajectory is [T, ...], the weights at each of T steps, not an array of shape {tuple(x.shape)}."
        )
    dtype = np.dtype(np.float32) if is_tensor(x) else x.dtype
    if is_tensor(x):
        dtype = np.dtype(np.float64) if x.element_size() == 8 else dtype
    steps = np.arange(len(x))
    rows = Rows(
        tuple(int(size) for size in x.shape[1:]), steps, {"step": steps}, dtype, lambda some: x[_index(some)]
    )
    return _checked(rows, fewest)


def _labelled(x: xr.DataArray) -> Rows:
    if "step" in x.dims and x.dims[0] != "step":
        x = x.transpose("step", ...)
    if x.ndim < 2:
        raise TrajectoryError(f"a trajectory is [step, ...], not an array with dimensions {x.dims}.")
    first = str(x.dims[0])
    steps = np.asarray(x[first].values) if first in x.coords else np.arange(len(x))
    labels: dict[str, Any] = {"step": steps}
    if "epoch" in x.coords and x.coords["epoch"].dims == (first,):
        labels["epoch"] = ("step", np.asarray(x.coords["epoch"].values))
    return Rows(x.shape[1:], steps, labels, x.dtype, lambda some: np.asarray(x.variable[_index(some)].values))


def _index(places: Int64[np.ndarray, " b"]) -> slice | Int64[np.ndarray, " b"]:
    """Neighbours as a slice, which copies nothing."""
    if len(places) and places[-1] - places[0] == len(places) - 1 and bool((np.diff(places) == 1).all()):
        return slice(int(places[0]), int(places[-1]) + 1)
    return places


def _real(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Bring weights to float32 or float64."""
    if x.dtype.kind == "f" and x.dtype.itemsize in {4, 8}:
        return x
    try:
        if x.dtype.kind == "c":
            raise TypeError
        return x.astype(np.float32 if x.dtype == np.float16 else np.float64)
    except (TypeError, ValueError):
        raise TrajectoryError(
            f"weights over steps are real numbers, not an array of {x.dtype}: give their real part, or another layer."
        ) from None


def _checked(rows: Rows, fewest: int) -> Rows:
    if len(rows) < fewest:
        raise TrajectoryError(
            f"the trajectory has {len(rows)} step{'' if len(rows) == 1 else 's'} and at least {fewest} are needed: "
            "record more often or train longer."
        )
    if rows.n == 0:
        raise TrajectoryError(f"the weights have shape {rows.shape} and hold no numbers.")
    return rows
