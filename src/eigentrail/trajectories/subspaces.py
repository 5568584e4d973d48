"""Principal angles of leading and trailing singular subspaces against those of one step."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float64

from eigentrail._arrays import to_float64
from eigentrail._numbers import real, seed_of, whole
from eigentrail.chance import compare, requested
from eigentrail.chance.displacements import displaced
from eigentrail.errors import OptionError, TrajectoryError
from eigentrail.spectra import principal_angles
from eigentrail.trajectories.geodesic import as_matrices
from eigentrail.trajectories.rows import open_rows

_SIDES = ("left", "right")
_ENDS = ("leading", "trailing")


def subspaces(
    x: Any,
    k: int,
    *,
    reference: int = 0,
    gap: float = 0.01,
    null: int = requested.ENOUGH,
    seed: int = 0,
    against: tuple[Any, Any] | None = None,
) -> xr.Dataset:
    """Follow the subspaces of the k largest and the k smallest singular values.

    Angles are between subspaces and from sines, ||(I - A A^T) B||. Single vectors turn at will inside a block of
    nearly equal singular values (at an orthogonal start all of them are equal): the angle of a single vector is that
    to the whole block at the reference step.

    Args:
        x: [T, out, ...] weights over steps.
        k: dimension of the subspaces.
        reference: number of the step that all others are compared with; -1 for the last one.
        gap: singular values belong to one block where neighbours differ by less than this share of the larger one.
        null: number of random displacements that the last step (the first one, if the last is the reference) is
            compared with, 0 for none: from the reference step, as far as the weights have come.
        seed: seed of the draws.
        against: orthonormal rows [j, out] and [j, n_in] that span a left and a right subspace, such as the invariant
            one of a deep linear network: the angle of each singular vector to it is given as well.

    Returns:
        Dataset over `step`: `singular_values` [step, value]; `leading_left`, `leading_right`, `trailing_left`,
        `trailing_right` [step, angle], principal angles in radians, ascending; `vector_left`, `vector_right`
        [step, value], the angle of each singular vector to its block; `block` [value], the block of each value at
        the reference step; `kept` [end, side], what the last step's subspace shares with the reference's (the mean
        squared cosine), and `kept_null` [end, side, draw], `kept_percentile` [end, side] of random displacements (NaN
        without); with `against`, `against_left` and `against_right` [step, value], the angle of each singular vector to
        that subspace, 0 to pi / 2. Attributes `chance_left` and `chance_right`: the angle whose squared cosine is the
        mean one of random subspaces, k / n; and `reference`.

    Raises:
        OptionError: k, `reference`, `gap`, `null`, `seed` or `against` is outside what it may be.
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
    draws, seed = requested.check_draws(null), seed_of(seed)
    base = reference % len(rows)

    def checked(place: int, step: Any) -> Float64[np.ndarray, "o i"]:
        w = np.asarray(as_matrices(step[None], rows.shape)[0], dtype=np.float64)
        if not w.any():
            raise TrajectoryError(f"the weights are zero at step {rows.steps[place]}: select other steps.")
        return w

    def matrix(place: int) -> Float64[np.ndarray, "o i"]:
        return checked(place, rows.read(place, place + 1)[0])

    first, at_first = _vectors(matrix(base))
    near = at_first[:-1] - at_first[1:] <= gap * at_first[:-1]
    block = np.concatenate([[0], np.cumsum(~near)])
    values = np.zeros((len(rows), m))
    angles = {f"{end}_{side}": np.zeros((len(rows), k)) for end in _ENDS for side in _SIDES}
    single = {side: np.zeros((len(rows), m)) for side in _SIDES}
    spanned = {} if against is None else _spanned(against, shape)
    to_given = {side: np.zeros((len(rows), m)) for side in spanned}
    for place, step in enumerate(rows.one_by_one()):
        now, values[place] = _vectors(checked(place, step))
        for side in _SIDES:
            a, b = first[side], now[side]
            angles[f"leading_{side}"][place] = principal_angles(a[:k], b[:k])
            angles[f"trailing_{side}"][place] = principal_angles(a[m - k :], b[m - k :])
            single[side][place] = _block_angles(a, b, block)
        for side, basis in spanned.items():
            inside = now[side] @ basis.T
            outside = np.linalg.norm(now[side] - inside @ basis, axis=1)
            to_given[side][place] = np.arctan2(outside, np.linalg.norm(inside, axis=1))
    data: dict[str, Any] = {"singular_values": (("step", "value"), values), "block": ("value", block)}
    data |= {name: (("step", "angle"), found) for name, found in angles.items()}
    data |= {f"vector_{side}": (("step", "value"), found) for side, found in single.items()}
    data |= {f"against_{side}": (("step", "value"), found) for side, found in to_given.items()}
    far = len(rows) - 1 if base != len(rows) - 1 else 0
    kept = _kept(first, _vectors(matrix(far))[0], k)
    start = matrix(base)
    distance = float(np.linalg.norm(matrix(far) - start))
    drawn = [_kept(first, _vectors(w)[0], k) for w in displaced(start, distance, draws, seed)]
    walked = np.array(drawn).reshape(draws, 2, 2).transpose(1, 2, 0)
    data["kept"], data["kept_null"] = (("end", "side"), kept), (("end", "side", "draw"), walked)
    data["kept_percentile"] = (
        ("end", "side"),
        np.array(
            [
                [compare(float(kept[i, j]), walked[i, j]).percentile if draws else np.nan for j in (0, 1)]
                for i in (0, 1)
            ]
        ),
    )
    return xr.Dataset(
        data,
        coords={
            **rows.coordinates,
            "value": np.arange(m),
            "angle": np.arange(k),
            "end": list(_ENDS),
            "side": list(_SIDES),
        },
        attrs={
            "chance_left": float(np.arccos(np.sqrt(k / shape[0]))),
            "chance_right": float(np.arccos(np.sqrt(k / shape[1]))),
            "reference": rows.steps[base].item(),
        },
    )


def _vectors(
    w: Float64[np.ndarray, "o i"],
) -> tuple[dict[str, np.ndarray[Any, Any]], Float64[np.ndarray, " m"]]:
    u, s, vt = np.linalg.svd(w, full_matrices=False)
    return {"left": u.T, "right": vt}, s


def _spanned(against: tuple[Any, Any], shape: tuple[int, int]) -> dict[str, Float64[np.ndarray, "j n"]]:
    if not isinstance(against, tuple) or len(against) != 2:
        raise OptionError("against is a pair: rows that span a left subspace and rows that span a right one.")
    found = {}
    for side, given, n in zip(_SIDES, against, shape, strict=True):
        basis = to_float64(given)
        if basis.ndim != 2 or basis.shape[1] != n or not 1 <= len(basis) <= n:
            raise OptionError(
                f"the {side} subspace is given by rows of {n} numbers, not an array {basis.shape}."
            )
        if not np.allclose(basis @ basis.T, np.eye(len(basis)), rtol=0.0, atol=1e-6):
            raise OptionError(
                f"the rows that span the {side} subspace are not orthonormal: take them from a QR."
            )
        found[side] = basis
    return found


def _kept(
    one: dict[str, np.ndarray[Any, Any]], other: dict[str, np.ndarray[Any, Any]], k: int
) -> Float64[np.ndarray, "2 2"]:
    """Mean squared cosines between subspaces, leading and trailing by left and right."""
    return np.array(
        [
            [float(((one[side][part] @ other[side][part].T) ** 2).sum() / k) for side in _SIDES]
            for part in (slice(0, k), slice(len(one["left"]) - k, None))
        ]
    )


def _block_angles(
    a: Float64[np.ndarray, "m n"], b: Float64[np.ndarray, "m n"], block: np.ndarray[Any, Any]
) -> Float64[np.ndarray, " m"]:
    inner = b @ a.T
    inside = np.where(block[:, None] == block[None, :], inner, 0.0)
    along = np.sqrt((inside**2).sum(axis=1))
    across = np.linalg.norm(b - inside @ a, axis=1)
    return np.asarray(np.arctan2(across, along))
