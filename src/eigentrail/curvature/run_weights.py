"""The weights of a run as vectors of parameters, in the order of a curvature's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from eigentrail.errors import OptionError, RunError
from eigentrail.runs import Run

#: Bytes that the vectors may take.
MEMORY_LIMIT = 2**32


def common_steps(run: Run, names: Sequence[str]) -> np.ndarray:
    """Find the steps at which all of some parameters are recorded.

    Args:
        run: a recorded run.
        names: parameters.

    Returns:
        The steps, ascending.

    Raises:
        RunError: a parameter is not recorded, or they have no step in common.
    """
    found = run.layers[run.resolve(names[0])].steps
    for name in names[1:]:
        found = np.intersect1d(found, run.layers[run.resolve(name)].steps)
    if not len(found):
        raise RunError(
            f"{run.path} has no step at which {', '.join(names[:4])} are all recorded: take fewer layers"
        )
    return np.asarray(found)


def run_weights(run: Run, names: Sequence[str], steps: Sequence[int] | None = None) -> xr.DataArray:
    """Read parameters over steps as one vector at each step.

    Args:
        run: a recorded run.
        names: parameters in the order of a curvature's directions, as `Curvature.names`.
        steps: which steps; None for all at which every one of them is recorded.

    Returns:
        [step, parameter], in the precision of the run.

    Raises:
        OptionError: it would take more than 4 GiB.
        RunError: a parameter is not recorded, or not at one of the steps.
    """
    common = common_steps(run, names)
    wanted = common if steps is None else np.asarray(list(steps))
    lacking = np.setdiff1d(wanted, common)
    if len(lacking):
        raise RunError(
            f"{run.path} has not all of {', '.join(list(names)[:4])} at step {lacking[0]}: choose among "
            "the steps that they have in common"
        )
    layers = [run[name] for name in names]
    size = sum(int(np.prod(layer.shape[1:])) for layer in layers)
    if size * len(wanted) * max(layer.dtype.itemsize for layer in layers) > MEMORY_LIMIT:
        raise OptionError(
            f"{len(wanted)} steps of {size:,} parameters take more than {MEMORY_LIMIT:,} bytes: choose fewer steps."
        )
    parts = [layer.sel(step=wanted).values.reshape(len(wanted), -1) for layer in layers]
    return xr.DataArray(np.concatenate(parts, axis=1), dims=("step", "parameter"), coords={"step": wanted})
