"""Principal components of weights over steps, and of their updates, from one Gram matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import xarray as xr
from jaxtyping import Float64

from eigentrail._numbers import real, seed_of, written
from eigentrail.bases import Basis
from eigentrail.errors import OptionError, TrajectoryError
from eigentrail.linalg.leading_eigenpairs import leading_eigenpairs, residuals
from eigentrail.trajectories.gram import (
    check_moves,
    covariance,
    double_centred,
    gram,
    reference,
    updates_gram,
)
from eigentrail.trajectories.pca_randomized import leading_components
from eigentrail.trajectories.rows import Rows, open_rows

_DEFAULT = 20
_EPS = float(np.finfo(np.float64).eps)
# The differences of a Gram matrix keep this much of the smallest variance asked for, else updates are read again.
_LOSS = 1e-9


@dataclass(frozen=True)
class PrincipalComponents:
    """Directions of largest variance over steps.

    Attributes:
        basis: the k unit directions; their values are the variances.
        variances: [k] variance of each score, largest first; centred, divided by the number of rows: T for weights,
            T - 1 for updates.
        scores: (w(t) - mean) . p_k, labelled [step, component]. Each component points along its net motion: its
            scores rise with the steps on average.
        mean: the mean of the rows, in the shape of the weights.
        total: variance of all directions together.
        of: "weights" or "updates".
        errors: [k] bound of the relative error of each variance from the residual of its eigenpair; at rounding
            level but for the randomised method.
    """

    basis: Basis
    variances: Float64[np.ndarray, " k"]
    scores: xr.DataArray
    mean: np.ndarray
    total: float
    of: str
    errors: Float64[np.ndarray, " k"]

    @property
    def shares(self) -> Float64[np.ndarray, " k"]:
        """The share of each component in the total variance [k]."""
        return np.asarray(self.variances / self.total)


def pca(
    x: Any,
    k: int | None = None,
    of: Literal["weights", "updates"] = "weights",
    *,
    method: Literal["exact", "randomized"] = "exact",
    tolerance: float = 1e-6,
    seed: int = 0,
) -> PrincipalComponents:
    """Find the directions along which weights move most.

    The smaller side is taken: eigenpairs of the T x T Gram matrix of the centred steps, p_k = X^T a_k / ||.||, or
    those of the n x n covariance where there are more steps than weights. The updates' components come from the
    same Gram matrix G as D G D^T, D the first difference. Steps are streamed and everything is float64.

    Args:
        x: [T, ...] weights over steps: `run[layer]`, an array or a tensor.
        k: how many components; None for 20, or as many as the weights move in if those are fewer.
        of: "weights" w(t), or "updates" w(t + 1) - w(t).
        method: "exact", or "randomized": block Lanczos from random vectors, without the Gram matrix, for k much
            smaller than T; it stops at `tolerance` and states the error that it reached.
        tolerance: relative residual of the eigenpairs at which the randomised method stops.
        seed: seed of its random vectors.

    Returns:
        The components.

    Raises:
        OptionError: k, `of`, `method`, `tolerance` or `seed` is outside what it may be.
        TrajectoryError: there are fewer than 3 steps, the weights are constant, not finite, or far too large or small
            for double precision, or they move in fewer than k directions.
    """
    if not isinstance(of, str) or of not in ("weights", "updates"):
        raise OptionError(f'of is "weights" or "updates", not {written(of)}.')
    if not isinstance(method, str) or method not in ("exact", "randomized"):
        raise OptionError(f'method is "exact" or "randomized", not {written(method)}.')
    if not 0.0 < real("tolerance", tolerance) < 1.0:
        raise OptionError(f"tolerance is between 0 and 1, not {tolerance}.")
    return components_of(open_rows(x), k, of, method=method, tolerance=tolerance, seed=seed_of(seed))


def components_of(
    weights: Rows,
    k: int | None,
    of: str,
    *,
    method: str = "exact",
    tolerance: float = 1e-6,
    seed: int = 0,
    at_most: bool = False,
    known: KnownGram | None = None,
) -> PrincipalComponents:
    """Find components of weights that are open already.

    Args:
        weights: the trajectory.
        k: see `pca`.
        of: "weights" or "updates".
        method: see `pca`.
        tolerance: see `pca`.
        seed: see `pca`.
        at_most: True to take as many of k components as there are, as is done without k.
        known: the Gram matrix of the weights where it was computed before, `weights_gram(weights)`; the components
            of weights and of updates both come from it.

    Returns:
        The components.

    Raises:
        OptionError: k is outside what it may be.
        TrajectoryError: see `pca`.
    """
    rows = weights if of == "weights" else weights.updates()
    most = min(len(rows) - 1, rows.n)
    at_most = at_most or k is None
    count: Any = min(_DEFAULT if k is None else k, most) if at_most else k
    if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or not 1 <= count <= most:
        raise OptionError(
            f"{len(rows)} {of} of {rows.n} numbers have 1 to {most} components and k is {k}: "
            "ask for fewer, or record more steps."
        )
    if method == "randomized":
        found = leading_components(rows, int(count), tolerance, seed)
    elif rows.n < len(rows):
        found = _from_covariance(rows, int(count))
    else:
        found = _from_gram(weights, rows, int(count), of, known or weights_gram(weights))
    directions, values, scores, mean, total, errors = found
    if of == "updates" and total <= _rounding(weights) * len(rows):
        total = 0.0
    rank = _rank(values, total, len(rows), of)
    if rank < len(values):
        if not at_most:
            raise TrajectoryError(
                f"the {of} move in {rank} direction{'' if rank == 1 else 's'} only and {len(values)} components were "
                f"asked for: ask for at most {rank}."
            )
        directions, values, scores, errors = directions[:rank], values[:rank], scores[:, :rank], errors[:rank]
    turn = np.where(_trend(scores) < 0.0, -1.0, 1.0)
    variances = values / len(rows)
    return PrincipalComponents(
        basis=Basis(directions * turn[:, None], variances),
        variances=variances,
        scores=xr.DataArray(
            scores * turn,
            dims=("step", "component"),
            coords={**rows.coordinates, "component": np.arange(len(values))},
            name="scores",
            attrs={"of": of},
        ),
        mean=mean.reshape(rows.shape),
        total=total / len(rows),
        of=of,
        errors=errors,
    )


# Share of the largest variance below which the Gram matrix, which squares it, no longer knows a direction to 1e-6.
_WEAK = 1e-10

KnownGram = tuple[Float64[np.ndarray, "t t"], Float64[np.ndarray, " n"]]


def weights_gram(weights: Rows) -> KnownGram:
    """Compute what the components of weights and of updates are made of.

    Args:
        weights: the trajectory.

    Returns:
        The Gram matrix [T, T], and the weights [n] that it sees all others from.

    Raises:
        TrajectoryError: the weights are constant, not finite, or far too large or small for double precision.
    """
    origin = reference(weights)
    g = gram(weights, origin)
    check_moves(float(np.trace(g)), weights, origin)
    return g, origin


_Found = tuple[
    Float64[np.ndarray, "k n"],
    Float64[np.ndarray, " k"],
    Float64[np.ndarray, "t k"],
    Float64[np.ndarray, " n"],
    float,
    Float64[np.ndarray, " k"],
]


def _from_gram(weights: Rows, rows: Rows, k: int, of: str, known: KnownGram) -> _Found:
    g, origin = known
    if of == "weights":
        centred = double_centred(g)
    else:
        largest = float(np.diag(g).max())
        centred = double_centred(updates_gram(g))
        origin = np.zeros(rows.n)
    values, vectors = leading_eigenpairs(centred, k)
    if of == "updates" and _EPS * largest > _LOSS * max(values[-1], 0.0):
        origin = reference(rows)
        centred = double_centred(gram(rows, origin))
        values, vectors = leading_eigenpairs(centred, k)
    errors = residuals(centred, values, vectors)
    directions, mean = np.zeros((k, rows.n)), np.zeros(rows.n)
    for start, stop, block in rows.blocks():
        shifted = block - origin
        directions += vectors[start:stop].T @ shifted
        mean += shifted.sum(axis=0)
    norms = np.sqrt(np.einsum("kn,kn->k", directions, directions))
    directions /= np.where(norms > 0.0, norms, 1.0)[:, None]
    if values[-1] < _WEAK * values[0]:
        directions, values = _orthonormal(directions, values)
    scores = vectors * np.sqrt(np.maximum(values, 0.0))
    return directions, values, scores, origin + mean / len(rows), float(np.trace(centred)), errors


def _orthonormal(
    directions: Float64[np.ndarray, "k n"], values: Float64[np.ndarray, " k"]
) -> tuple[Float64[np.ndarray, "k n"], Float64[np.ndarray, " k"]]:
    """Orthonormalise directions of so little variance that rounding mixes them; where nothing new is left, they end."""
    q, r = np.linalg.qr(directions.T)
    kept = np.diagonal(r)
    ended = np.flatnonzero(np.abs(kept) < 0.5)
    if len(ended):
        values = np.where(np.arange(len(values)) < ended[0], values, 0.0)
    return np.ascontiguousarray((q * np.where(kept < 0.0, -1.0, 1.0)).T), values


def _from_covariance(rows: Rows, k: int) -> _Found:
    origin = reference(rows)
    c, mean = covariance(rows, origin)
    total = float(np.trace(c))
    check_moves(total, rows, origin)
    values, vectors = leading_eigenpairs(c, k)
    scores = np.concatenate([(block - mean) @ vectors for _, _, block in rows.blocks()])
    return vectors.T.copy(), values, scores, mean, total, residuals(c, values, vectors)


def _rounding(weights: Rows) -> float:
    """Give the variance that rounding alone makes in updates that are all the same."""
    eps = float(np.finfo(f"f{weights.itemsize}").eps)
    return 2.0 * eps**2 * float(np.sum(reference(weights) ** 2))


def _rank(values: Float64[np.ndarray, " k"], total: float, count: int, of: str) -> int:
    if not total > 0.0 or not values[0] > 0.0:
        raise TrajectoryError(
            f"the {of} are constant over all steps and have no components: choose a layer that is trained"
            + ("." if of == "weights" else ", or components of the weights.")
        )
    return int((values > 8 * _EPS * count * values[0]).sum())


def _trend(scores: Float64[np.ndarray, "t k"]) -> Float64[np.ndarray, " k"]:
    time = np.arange(len(scores)) - (len(scores) - 1) / 2.0
    trend = time @ scores
    # Without any trend the largest score decides, so that the sign is always the same.
    largest = scores[np.abs(scores).argmax(axis=0), np.arange(scores.shape[1])]
    small = np.abs(trend) < 1e-9 * np.linalg.norm(time) * np.linalg.norm(scores, axis=0)
    return np.asarray(np.where(small, largest, trend))
