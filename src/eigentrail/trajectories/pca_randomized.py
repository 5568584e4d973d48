"""Leading components without the Gram matrix: block Lanczos from random vectors, with the error it reached."""

from __future__ import annotations

import warnings

import numpy as np
from jaxtyping import Float64

from eigentrail.errors import NumericalWarning
from eigentrail.trajectories.gram import check_scale, reference
from eigentrail.trajectories.rows import Rows

_EXTRA = 10
_MOST_BLOCKS = 8
_ZERO = 1e-13


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
    block_q = _orthonormal(np.random.default_rng([seed, count, k]).standard_normal((count, width)), None)
    q, gq = np.zeros((count, 0)), np.zeros((count, 0))
    values, vectors = np.zeros(k), np.zeros((count, k))
    errors = np.full(k, np.inf)
    open_ones = errors > tolerance
    if total <= 0.0:
        return np.zeros((k, rows.n)), values, vectors, mean, 0.0, errors
    for _ in range(_MOST_BLOCKS):
        product = _centred(_apply(rows, mean, _transposed(rows, mean, block_q)))
        q, gq = np.hstack([q, block_q]), np.hstack([gq, product])
        small = q.T @ gq
        found, turn = np.linalg.eigh((small + small.T) / 2.0)
        values, turn = found[::-1][:k].copy(), turn[:, ::-1][:, :k]
        vectors = q @ turn
        left = np.linalg.norm(gq @ turn - vectors * values, axis=0)
        errors = left / np.maximum(values, np.finfo(np.float64).tiny)
        # Values of zero (fewer directions than asked for) have no relative error.
        open_ones = (errors > tolerance) & (values > _ZERO * values[0])
        if not open_ones.any() or q.shape[1] + 1 >= count:
            break
        block_q = _orthonormal(product, q)
        if not block_q.shape[1]:
            break
    if open_ones.any():
        warnings.warn(
            f"the randomised components stopped at a relative error of {errors[open_ones].max():.1e}, above the "
            f'tolerance {tolerance:.1e}: see `.errors`, or use method="exact".',
            NumericalWarning,
            stacklevel=3,
        )
    directions = _transposed(rows, mean, vectors)
    directions /= np.maximum(np.linalg.norm(directions, axis=0), np.finfo(np.float64).tiny)
    scores = vectors * np.sqrt(np.maximum(values, 0.0))
    return np.ascontiguousarray(directions.T), values, scores, mean, total, errors


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


def _orthonormal(
    y: Float64[np.ndarray, "t l"], against: Float64[np.ndarray, "t m"] | None
) -> Float64[np.ndarray, "t r"]:
    y = _centred(y)
    y = y / np.maximum(np.linalg.norm(y, axis=0), np.finfo(np.float64).tiny)
    for _ in range(2):
        if against is not None:
            y = y - against @ (against.T @ y)
        u, s, _ = np.linalg.svd(y, full_matrices=False)
        y = u[:, s > 1e-12 * max(1.0, s[0])]
    return np.asarray(y)
