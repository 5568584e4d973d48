"""Principal angles of leading and trailing singular subspaces against those of one step."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float64

from eigentrail._numbers import real, whole
from eigentrail.errors import OptionError, TrajectoryError
from eigentrail.spectra import principal_angles
from eigentrail.trajectories.geodesic import as_matrices
from eigentrail.trajectories.rows import open_rows

_SIDES = ("left", "right")


def subspaces(x: Any, k: int, *, reference: int = 0, gap: float = 0.01) -> xr.Dataset:
    """Follow the subspaces of the k largest and the k smallest singular values.

    Angles are between subspaces and from sines, ||(I - A A^T) B||. Single vectors turn at will inside a block of
    nearly equal singular values (at an orthogonal start all of them are equal): the angle of a single vector is that
    to the whole block at the reference step.

    Args:
        x: [T, out, ...] weights over steps.
        k: dimension of the subspaces.
        reference: number of the step that all others are compared with; -1 for the last one.
        gap: singular values belong to one block where neighbours differ by less than this share of the larger one.

    Returns:
        Dataset over `step`: `singular_values` [step, value]; `leading_left`, `leading_right`, `trailing_left`,
        `trailing_right` [step, angle], principal angles in radians, ascending; `vector_left`, `vector_right`
        [step, value], the angle of each singular vector to its block; `block` [value], the block of each value at
        the reference step. Attributes `chance_left` and `chance_right`: the angle whose squared cosine is the mean
        one of random subspaces, k / n; and `reference`.

    Raises:
        OptionError: k, `reference` or `gap` is outside what it may be.
        TrajectoryError: there are too few steps, weights without a matrix form, or weights that are zero or not
            finite.
    """
    rows = open_rows(x)
    if len(rows.shape) < 2:
        raise TrajectoryError("weights of one dimension have no singular subspaces: choose a weight matrix.")
    shape = (rows.shape[0], rows.n // rows.shape[0])
    m = min(shape)
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or not 1 <= k <= m:
        raise OptionError(f"k is the dimension of the subspaces, 1 to {m} here, not {k!r}.")
    reference = whole("reference", reference, -len(rows), len(rows) - 1)
    if not 0.0 <= real("gap", gap) < 1.0:
        raise OptionError(f"gap is a share, 0 to 1, not {gap}.")
    base = reference % len(rows)

    def vectors(place: int) -> tuple[dict[str, np.ndarray[Any, Any]], Float64[np.ndarray, " m"]]:
        w = as_matrices(rows.read(place, place + 1), rows.shape)[0]
        if not w.any():
            raise TrajectoryError(f"the weights are zero at step {rows.steps[place]}: select other steps.")
        u, s, vt = np.linalg.svd(w, full_matrices=False)
        return {"left": u.T, "right": vt}, s

    first, at_first = vectors(base)
    near = at_first[:-1] - at_first[1:] <= gap * at_first[:-1]
    block = np.concatenate([[0], np.cumsum(~near)])
    values = np.zeros((len(rows), m))
    angles = {f"{end}_{side}": np.zeros((len(rows), k)) for end in ("leading", "trailing") for side in _SIDES}
    single = {side: np.zeros((len(rows), m)) for side in _SIDES}
    for place in range(len(rows)):
        now, values[place] = vectors(place)
        for side in _SIDES:
            a, b = first[side], now[side]
            angles[f"leading_{side}"][place] = principal_angles(a[:k], b[:k])
            angles[f"trailing_{side}"][place] = principal_angles(a[m - k :], b[m - k :])
            single[side][place] = _block_angles(a, b, block)
    data: dict[str, Any] = {"singular_values": (("step", "value"), values), "block": ("value", block)}
    data |= {name: (("step", "angle"), found) for name, found in angles.items()}
    data |= {f"vector_{side}": (("step", "value"), found) for side, found in single.items()}
    return xr.Dataset(
        data,
        coords={**rows.coordinates, "value": np.arange(m), "angle": np.arange(k)},
        attrs={
            "chance_left": float(np.arccos(np.sqrt(k / shape[0]))),
            "chance_right": float(np.arccos(np.sqrt(k / shape[1]))),
            "reference": rows.steps[base].item(),
        },
    )


def _block_angles(
    a: Float64[np.ndarray, "m n"], b: Float64[np.ndarray, "m n"], block: np.ndarray[Any, Any]
) -> Float64[np.ndarray, " m"]:
    inner = b @ a.T
    inside = np.where(block[:, None] == block[None, :], inner, 0.0)
    along = np.sqrt((inside**2).sum(axis=1))
    across = np.linalg.norm(b - inside @ a, axis=1)
    return np.asarray(np.arctan2(across, along))
