"""Several layers of a run as one trajectory: the whole network, or a part of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from jaxtyping import Int64, Shaped

from eigentrail._numbers import written
from eigentrail.errors import OptionError, TrajectoryError
from eigentrail.runs import Run
from eigentrail.runs.lazy import RowsArray, lazy_array


def joined(run: Run, layers: str | Sequence[str] | None = None) -> xr.DataArray:
    """Put layers of a run one behind the other, in the order of the parameters, row-major; nothing is read yet.

    Args:
        run: the run.
        layers: globs over parameter names; None for all.

    Returns:
        [step, parameter] over the steps at which all of them are recorded. Attribute `slices` maps each name to its
        first entry and one past its last.

    Raises:
        OptionError: `run` is no run.
        TrajectoryError: a layer appears later than the others, or they share no step.
    """
    if not isinstance(run, Run):
        raise OptionError(f"run is a recorded run, as et.open_run gives it, not {written(run)}.")
    names = run.select(layers)
    infos = [run.layers[name] for name in names]
    first = min(int(info.steps[0]) if len(info.steps) else 0 for info in infos)
    for info in infos:
        if not len(info.steps) or info.steps[0] > first:
            when = f"first at step {info.steps[0]}" if len(info.steps) else "at no step"
            raise TrajectoryError(
                f"{info.name} is recorded {when} and the others from step {first}: leave it out of the layers, "
                "or select the steps since then layer by layer."
            )
    steps = infos[0].steps
    for info in infos[1:]:
        steps = np.intersect1d(steps, info.steps, assume_unique=True)
    sizes = [int(np.prod(info.shape)) for info in infos]
    ends = np.cumsum(sizes)
    arrays = [run[name] for name in names]
    places = [np.searchsorted(info.steps, steps) for info in infos]
    dtype = np.result_type(*(array.dtype for array in arrays))

    def read(wanted: Int64[np.ndarray, " b"]) -> Shaped[np.ndarray, "b n"]:
        out = np.empty((len(wanted), int(ends[-1])), dtype=dtype)
        for array, place, end, size in zip(arrays, places, ends, sizes, strict=True):
            out[:, end - size : end] = array.variable[place[wanted]].values.reshape(len(wanted), size)
        return out

    slices = {name: (int(end - size), int(end)) for name, end, size in zip(names, ends, sizes, strict=True)}
    rows = RowsArray((len(steps), int(ends[-1])), dtype, read)
    epochs = infos[0].epochs[places[0]]
    return lazy_array("weights", rows, ("parameter",), steps, epochs, {"slices": slices})
