"""Great circles and great 2-spheres through unit vectors, fitted to many paths at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
from jaxtyping import Bool, Float64

_ROUNDS = 200
# Mean squared angle up to which a path of known inner products does not move: they know angles to 1e-8.
_STILL = 1e-14
_TINY = 1e-300


@dataclass(frozen=True)
class GreatCircles:
    """The fits of b paths of T unit vectors.

    Attributes:
        planes: [b, dims + 1, n] orthonormal rows that span the plane of each circle. The first row points to the
            mean of the path within the plane, the second one along its net motion.
        mean: [b, n] Frechet mean of each path.
        path: [b, T, dims + 1] the projected vectors in the coordinates of the plane, unit length.
        residuals: [b, T] angles between the vectors and the circle.
        spread: [b, T] angles between the projected vectors and the mean.
        rss: [b] sums of the squared residuals.
        score: [b] 1 - rss / (rss + sum of spread^2).
    """

    planes: Float64[np.ndarray, "b d n"]
    mean: Float64[np.ndarray, "b n"]
    path: Float64[np.ndarray, "b t d"]
    residuals: Float64[np.ndarray, "b t"]
    spread: Float64[np.ndarray, "b t"]
    rss: Float64[np.ndarray, " b"]
    score: Float64[np.ndarray, " b"]


@dataclass(frozen=True)
class CircleScores:
    """What fits of many paths come to, without their circles.

    Attributes:
        score: [kinds of circle, first vectors, b] the scores, NaN for a path that does not move.
        rss: [kinds of circle, first vectors, b] the sums of the squared residuals in radians^2.
    """

    score: Float64[np.ndarray, "k s b"]
    rss: Float64[np.ndarray, "k s b"]


def fit_great_circles(x: Float64[np.ndarray, "b t n"], dims: int, tolerance: float = 1e-12) -> GreatCircles:
    """Fit a great circle (dims = 1) or great 2-sphere (dims = 2) to each of b paths.

    The plane is spanned by the top dims + 1 right singular vectors of the uncentred path: it minimises the squared
    distances to the plane and holds for arcs of any length, beyond pi too, where a Frechet mean with principal
    components in its tangent space does not.

    Args:
        x: [b, T, n] unit vectors, those of a path aligned in sign.
        dims: 1 or 2.
        tolerance: length of the Frechet mean's last correction in radians.

    Returns:
        The fits. A path that does not move has the score NaN.
    """
    u, s, vt = np.linalg.svd(x, full_matrices=False)
    z = u * s[:, None, :]  # the path in its own at most T dimensions; nothing is lost
    mean = frechet_mean(z, tolerance)
    path, residuals, spread, rss, score = _project(z, mean, dims)
    turn = _turns(path, mean[:, : dims + 1])
    return GreatCircles(
        planes=turn @ vt[:, : dims + 1],
        mean=np.einsum("br,brn->bn", mean, vt),
        path=np.einsum("btd,bed->bte", path, turn),
        residuals=residuals,
        spread=spread,
        rss=rss,
        score=score,
    )


def score_paths(
    x: Float64[np.ndarray, "b t n"], starts: Sequence[int], dims: Sequence[int], tolerance: float = 1e-6
) -> CircleScores:
    """Score the circles through many paths, each from several first vectors on, without the circles themselves.

    A score depends on the inner products of the vectors alone: the plane comes from whichever of them and of the second
    moments is the smaller matrix, the Frechet mean is a weighted sum of the vectors. Angles are known to 1e-8.

    Args:
        x: [b, T, n] unit vectors, those of a path aligned in sign.
        starts: how many vectors to leave out at the beginning.
        dims: kinds of circle, 1 or 2.
        tolerance: length of the Frechet mean's last correction in radians.

    Returns:
        Scores and sums of squared residuals as of `fit_great_circles`, [len(dims), len(starts), b].
    """
    out = CircleScores(*(np.full((len(dims), len(starts), len(x)), np.nan) for _ in range(2)))
    if not dims:
        return out
    products = x @ x.swapaxes(1, 2)
    for place, first in enumerate(starts):
        inside = _leading_coordinates(x[:, first:], products[:, first:, first:], max(dims) + 1)
        weights = _mean_weights(products[:, first:, first:], tolerance)
        mean = np.einsum("bt,btd->bd", weights, inside)
        for number, one in enumerate(dims):
            at = number, place
            out.score[at], out.rss[at] = _scores(inside[:, :, : one + 1], mean[:, : one + 1])
    return out


def _leading_coordinates(
    x: Float64[np.ndarray, "b t n"], products: Float64[np.ndarray, "b t t"], count: int
) -> Float64[np.ndarray, "b t d"]:
    """Give the coordinates of the vectors of each path along its first principal axes."""
    _, steps, entries = x.shape
    if entries < steps:
        moments = x.swapaxes(1, 2) @ x
        return np.asarray(x @ _largest(moments, count)[1])
    values, vectors = _largest(products, count)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :])


def _largest(
    a: Float64[np.ndarray, "b m m"], count: int
) -> tuple[Float64[np.ndarray, "b d"], Float64[np.ndarray, "b m d"]]:
    """Find the largest eigenvalues of small symmetric matrices, largest first, and their vectors as columns."""
    m = a.shape[1]
    values, vectors = np.empty((len(a), count)), np.empty((len(a), m, count))
    for place, one in enumerate(a):
        # A few of the pairs cost half of all of them.
        found, columns, _, _, failed = scipy.linalg.lapack.dsyevr(one, range="I", il=m - count + 1, iu=m)
        if failed:
            found, columns = np.linalg.eigh(one)
        values[place], vectors[place] = found[:count][::-1], columns[:, -count:][:, ::-1]
    return values, vectors


def _mean_weights(products: Float64[np.ndarray, "b t t"], tolerance: float) -> Float64[np.ndarray, "b t"]:
    """Find the Frechet mean of each path, as of `frechet_mean`, as a weighted sum of its vectors."""
    b, count, _ = products.shape
    cosines = np.clip(products, -1.0, 1.0)
    costs = (np.arccos(cosines) ** 2).sum(axis=2)
    best = costs.argmin(axis=1)
    middle = products.mean(axis=2)
    size = np.sqrt(np.maximum(middle.mean(axis=1), 0.0))[:, None]
    to_middle = (np.arccos(np.clip(middle / np.maximum(size, _TINY), -1.0, 1.0)) ** 2).sum(axis=1)
    at_middle = (size[:, 0] > 1e-9) & (to_middle <= costs[np.arange(b), best])
    weights = np.where(at_middle[:, None], 1.0 / (count * np.maximum(size, _TINY)), np.eye(count)[best])
    going = np.arange(b)
    for _ in range(_ROUNDS):
        some, at = products if len(going) == b else products[going], weights[going]
        along = np.clip(np.einsum("bts,bs->bt", some, at), -1.0, 1.0)
        angle, across = np.arccos(along), np.sqrt(1.0 - along**2)
        step = np.where(across > 1e-14, angle / np.maximum(across, _TINY), 1.0) / count
        step = step - np.einsum("bt,bt->b", step, along)[:, None] * at
        far = np.sqrt(np.maximum(np.einsum("bt,bts,bs->b", step, some, step, optimize=True), 0.0))
        moved = np.cos(far)[:, None] * at + np.sinc(far / np.pi)[:, None] * step
        lengths = np.einsum("bt,bts,bs->b", moved, some, moved, optimize=True)
        weights[going] = moved / np.sqrt(lengths)[:, None]
        going = going[far > tolerance]
        if not len(going):
            break
    return np.asarray(weights)


def _scores(
    inside: Float64[np.ndarray, "b t d"], mean: Float64[np.ndarray, "b d"]
) -> tuple[Float64[np.ndarray, " b"], Float64[np.ndarray, " b"]]:
    """Score paths of which the coordinates in the plane are known, and those of their means; with their RSS."""
    along = np.sqrt(np.einsum("btd,btd->bt", inside, inside))
    residuals = np.arccos(np.minimum(along, 1.0))
    cosines = np.einsum("btd,bd->bt", inside, mean) / np.maximum(along, _TINY)
    spread = np.arccos(np.clip(cosines, -1.0, 1.0))
    rss = np.einsum("bt,bt->b", residuals, residuals)
    varied = rss + np.einsum("bt,bt->b", spread, spread)
    moved = varied > _STILL * inside.shape[1]
    return np.where(moved, 1.0 - rss / np.where(moved, varied, 1.0), np.nan), rss


def _project(z: Float64[np.ndarray, "b t r"], mean: Float64[np.ndarray, "b r"], dims: int) -> tuple[Any, ...]:
    """Project paths in their principal axes onto the first dims + 1 of these: path, residuals, spread, rss, score."""
    inside, outside = z[:, :, : dims + 1], z[:, :, dims + 1 :]
    along = np.sqrt(np.einsum("btd,btd->bt", inside, inside))
    residuals = np.arctan2(np.sqrt(np.einsum("btr,btr->bt", outside, outside)), along)
    path = inside / np.maximum(along, _TINY)[:, :, None]
    projected = np.concatenate([path, np.zeros_like(outside)], axis=2)
    spread = _angles(projected, mean)
    rss = np.einsum("bt,bt->b", residuals, residuals)
    varied = rss + np.einsum("bt,bt->b", spread, spread)
    moved = varied > 1e-24 * z.shape[1]
    score = np.where(moved, 1.0 - rss / np.where(moved, varied, 1.0), np.nan)
    return path, residuals, spread, rss, score


def frechet_mean(z: Float64[np.ndarray, "b t r"], tolerance: float = 1e-12) -> Float64[np.ndarray, "b r"]:
    """Find the point of the sphere with the smallest sum of squared angles to the vectors of each path.

    Newton-like steps mu <- exp(mean of log(x_t)) from the better of two starts, the normalised mean and the vector
    of the path with the smallest sum.

    Args:
        z: [b, T, r] unit vectors.
        tolerance: length of the last step in radians.

    Returns:
        [b, r] unit vectors.
    """
    b = len(z)
    center = z.mean(axis=1)
    size = np.linalg.norm(center, axis=1)
    center = np.where(size[:, None] > 1e-9, center / np.maximum(size, _TINY)[:, None], z[:, 0])
    cosines = np.clip(z @ z.swapaxes(1, 2), -1.0, 1.0)
    costs = (np.arccos(cosines) ** 2).sum(axis=2)
    best = costs.argmin(axis=1)
    better = costs[np.arange(b), best] < (_angles(z, center) ** 2).sum(axis=1)
    mean = np.where(better[:, None], z[np.arange(b), best], center)
    going = np.arange(b)
    for _ in range(_ROUNDS):
        points, at = z[going], mean[going]
        along = np.einsum("btr,br->bt", points, at)
        across = points - along[:, :, None] * at[:, None, :]
        length = np.sqrt(np.einsum("btr,btr->bt", across, across))
        weight = np.where(length > 1e-14, np.arctan2(length, along) / np.maximum(length, _TINY), 1.0)
        step = np.einsum("bt,btr->br", weight, across) / z.shape[1]
        far = np.linalg.norm(step, axis=1)
        moved = np.cos(far)[:, None] * at + (np.sinc(far / np.pi))[:, None] * step
        mean[going] = moved / np.linalg.norm(moved, axis=1, keepdims=True)
        going = going[far > tolerance]
        if not len(going):
            break
    return mean


def align_signs(x: Float64[np.ndarray, "t n"]) -> tuple[Float64[np.ndarray, "t n"], Bool[np.ndarray, " t"]]:
    """Turn each vector so that it makes an acute angle with the one before it.

    Args:
        x: [T, n].

    Returns:
        The aligned vectors, and which of them were turned round.
    """
    signs = np.sign(np.einsum("tn,tn->t", x[1:], x[:-1]))
    signs = np.concatenate([[1.0], np.cumprod(np.where(signs == 0.0, 1.0, signs))])
    return x * signs[:, None], signs < 0


def _angles(x: Float64[np.ndarray, "b t r"], at: Float64[np.ndarray, "b r"]) -> Float64[np.ndarray, "b t"]:
    along = np.einsum("btr,br->bt", x, at)
    across = x - along[:, :, None] * at[:, None, :]
    return np.asarray(np.arctan2(np.sqrt(np.einsum("btr,btr->bt", across, across)), along))


def _turns(
    path: Float64[np.ndarray, "b t d"], mean: Float64[np.ndarray, "b d"]
) -> Float64[np.ndarray, "b d d"]:
    """Rotate each plane's axes: the first to the mean, the second along the motion, the rest orthogonal."""
    b, count, d = path.shape
    time = np.arange(count) - (count - 1) / 2.0
    motion = np.einsum("t,btd->bd", time, path)
    axes = np.concatenate([mean[:, None], motion[:, None], np.broadcast_to(np.eye(d), (b, d, d))], axis=1)
    out = np.zeros((b, d, d))
    for one in range(b):
        filled = 0
        for axis in axes[one]:
            left = axis.copy()
            for _ in range(2):
                left -= out[one, :filled].T @ (out[one, :filled] @ left)
            size = np.linalg.norm(left)
            if filled < d and size > 1e-8 * max(1e-300, float(np.linalg.norm(axis))) and size > 1e-12:
                out[one, filled] = left / size
                filled += 1
    return out
