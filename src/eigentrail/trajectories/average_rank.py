"""The average rank of a network over its training, as the paper on ranks (S4) counts it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from jaxtyping import Float64

from eigentrail.errors import OptionError, TrajectoryError
from eigentrail.linalg.singular_values import singular_values
from eigentrail.linalg.threads import threads_for
from eigentrail.trajectories.series import MatrixSeries

#: The shares of the norm above which S4 counts: its usual one, and a coarser one.
EPS = (1e-3, 1e-2)
# Steps that are read and decomposed at a time.
_CHUNK = 64


def rank_counts(
    values: Float64[np.ndarray, "t m"], eps: float = 1e-3, norm: str = "frobenius"
) -> Float64[np.ndarray, " t"]:
    """Count the singular values above a share of the norm, #{i: sigma_i > eps ||W||}.

    Args:
        values: [T, M] singular values of a matrix at each step.
        eps: the share, above 0 and below 1.
        norm: "frobenius", as in S4's code, or "spectral", the largest singular value.

    Returns:
        [T] counts; 0 for a matrix of zeros, NaN where singular values are not finite.

    Raises:
        OptionError: an argument is outside what it may be.
    """
    if norm not in {"frobenius", "spectral"}:
        raise OptionError(f"norm {norm!r} is unknown; use 'frobenius' or 'spectral'.")
    if not 0.0 < eps < 1.0:
        raise OptionError(f"a rank needs 0 < eps < 1, not {eps}.")
    finite = np.isfinite(values).all(axis=1)
    good = np.where(finite[:, None], values, 0.0)
    size = np.sqrt((good**2).sum(axis=1)) if norm == "frobenius" else good.max(axis=1)
    return np.where(finite, (good > eps * size[:, None]).sum(axis=1), np.nan)


def spectra_over_steps(series: MatrixSeries) -> Float64[np.ndarray, "t m"]:
    """Compute the singular values of a matrix at all its recorded steps, a few steps at a time.

    Args:
        series: the matrix over steps.

    Returns:
        [T, M] singular values, largest first.
    """
    rows = np.arange(len(series.steps))
    with threads_for(series.shape[2]):
        parts = [
            singular_values(series.read(rows[first : first + _CHUNK]))
            for first in range(0, len(rows), _CHUNK)
        ]
    return np.concatenate(parts)


def average_rank(
    tree: xr.DataTree | Sequence[xr.DataTree], eps: Sequence[float] = EPS, norm: str = "frobenius"
) -> xr.Dataset:
    """Average the ranks of a network's matrices at each step at which all of them are recorded.

    Args:
        tree: from `evolution`, or some of its nodes.
        eps: the shares of the norm above which singular values count.
        norm: "frobenius" or "spectral".

    Returns:
        `average_rank` [step, eps], with the coordinate `epoch` where it is known; `matrices`, how many there are, and
        `largest`, the mean of their numbers of singular values, as attributes.

    Raises:
        TrajectoryError: no step has all matrices.
    """
    nodes = tree.children.values() if isinstance(tree, xr.DataTree) else tree
    every = [node["every"].dataset for node in nodes]
    steps = every[0]["step"].values if every else np.zeros(0, dtype=np.int64)
    for one in every[1:]:
        steps = np.intersect1d(steps, one["step"].values)
    if not len(steps):
        raise TrajectoryError(
            "no step has all matrices recorded: record every layer at the same steps, such as ends of epochs"
        )
    counts = np.stack([
        np.stack([rank_counts(one["singular_values"].sel(step=steps).values, e, norm) for e in eps], axis=1)
        for one in every
    ])  # fmt: skip
    found = xr.Dataset(
        {"average_rank": (("step", "eps"), counts.mean(axis=0))},
        coords={"step": steps, "eps": list(eps)},
        attrs={
            "norm": norm,
            "matrices": len(every),
            "largest": float(np.mean([one.sizes["value"] for one in every])),
        },
    )
    if "epoch" in every[0].coords:
        found = found.assign_coords(epoch=("step", every[0]["epoch"].sel(step=steps).values))
    return found
