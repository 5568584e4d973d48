"""Leading components without the Gram matrix: block Lanczos from random vectors, with the error it reached."""

from __future__ import annotations

import warnings

import numpy as np
from jaxtyping import Float64

from eigentrail.errors import NumericalWarning
from eigentrail.linalg.block_krylov import block_krylov
from eigentrail.trajectories.gram import check_scale, reference
from eigentrail.trajectories.rows import Rows

_EXTRA = 10


def leading_components(
    rows: Rows, k: int, tolerance: float, seed: int
) -> tuple[
    Float64[np.ndarray, "k n"],
    Float64[np.ndarray, " k"],
    Float64[np.ndarray, "t k"],
    Float64[np.ndarray, " n"],
    float,
    Float64[np.ndarray, " k"],
]:
    """Find the k largest eigenpairs of the centred Gram matrix from products with it.

    Each block of k + 10 vectors costs two passes over the steps. Rayleigh-Ritz on all blocks gives the eigenpairs
    and their residuals ||G a - l a||, which bound how far each value is from an eigenvalue.

    Args:
        rows: the trajectory.
        k: how many.
        tolerance: the relative residual at which to stop.
        seed: seed of the first block.

    Returns:
        Directions [k, n], eigenvalues [k], scores [T, k], mean [n], the total of all eigenvalues, and the relative
        residuals [k].

    Raises:
        TrajectoryError: the weights are not finite, or far too large or small for double precision.
    """
    count, width = len(rows), min(k + _EXTRA, len(rows) - 1)
    origin = reference(rows)
    mean = np.zeros(rows.n)
    total = 0.0
    for _, _, block in rows.blocks():
        shifted = block - origin
        mean += shifted.sum(axis=0)
        total += float(np.einsum("bn,bn->", shifted, shifted))
    check_scale(total, rows, origin)
    mean /= count
    total -= count * float(mean @ mean)
    mean += origin
    if total <= 0.0:
        return np.zeros((k, rows.n)), np.zeros(k), np.zeros((count, k)), mean, 0.0, np.full(k, np.inf)
    found = block_krylov(
        lambda q: _centred(_apply(rows, mean, _transposed(rows, mean, q))),
        _centred(np.random.default_rng([seed, count, k]).standard_normal((count, width))),
        k,
        tolerance,
        dimension=count - 1,
    )
    if found.unfinished.any():
        worst = found.errors[found.unfinished].max()
        warnings.warn(
            f"the randomised components stopped at a relative error of {worst:.1e}, above the "
            f'tolerance {tolerance:.1e}: see `.errors`, or use method="exact".',
            NumericalWarning,
            stacklevel=3,
        )
    directions = _transposed(rows, mean, found.vectors)
    directions /= np.maximum(np.linalg.norm(directions, axis=0), np.finfo(np.float64).tiny)
    scores = found.vectors * np.sqrt(np.maximum(found.values, 0.0))
    return np.ascontiguousarray(directions.T), found.values, scores, mean, total, found.errors


def _transposed(
    rows: Rows, mean: Float64[np.ndarray, " n"], q: Float64[np.ndarray, "t l"]
) -> Float64[np.ndarray, "n l"]:
    out = np.zeros((rows.n, q.shape[1]))
    for start, stop, block in rows.blocks():
        out += (block - mean).T @ q[start:stop]
    return out


def _apply(
    rows: Rows, mean: Float64[np.ndarray, " n"], z: Float64[np.ndarray, "n l"]
) -> Float64[np.ndarray, "t l"]:
    return np.concatenate([(block - mean) @ z for _, _, block in rows.blocks()])


def _centred(y: Float64[np.ndarray, "t l"]) -> Float64[np.ndarray, "t l"]:
    return np.asarray(y - y.mean(axis=0))
