"""What walks without direction give for overlaps that a motion has by its construction, not by chance alone.

A random direction is the wrong null where two bases come from one motion: the first component of a walk lies along
its displacement, and so do the singular matrices of the weights at its end; noise that prefers some directions makes
components of weights and of updates alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from eigentrail.bases import singular
from eigentrail.chance import Compared, Side, compare_drawn, percentile_of
from eigentrail.chance.flipped_updates import flipped_updates
from eigentrail.chance.optimizer_memory import NO_MEMORY, Memory
from eigentrail.chance.weight_walks import sign_walks
from eigentrail.linalg.leading_eigenpairs import leading_eigenpairs
from eigentrail.trajectories.gram import double_centred, updates_gram

#: How many components and singular matrices are the leading ones.
LEADING_BOTH = 5


@dataclass(frozen=True)
class OverlapNull:
    """An overlap, or another number that a motion has by its construction, beside that of walks.

    Attributes:
        observed: the number, of the same thinned steps as the walks.
        null: [draws] the same of the walks.
        side: whether only more than walks have is told, or less too.
    """

    observed: float
    null: Float64[np.ndarray, " d"]
    side: Side = "greater"

    @property
    def compared(self) -> Compared | None:
        """The number among those of the walks; None without draws."""
        return compare_drawn(self.observed, self.null, self.side)

    @property
    def percentile(self) -> float | None:
        """Where it lies among them, 0 to 100; None without draws."""
        return percentile_of(self.compared)


def updates_null(
    g: Float64[np.ndarray, "t t"],
    k: int,
    draws: int,
    seed: int,
    times: Float64[np.ndarray, " t"] | None = None,
    memory: Memory = NO_MEMORY,
) -> OverlapNull:
    """Compare how much of the weights' first component lies in the leading components of the updates.

    The walks are the observed updates with random signs, which have the same leading directions.

    Args:
        g: [T, T] Gram matrix of the weights, from an origin as of `flipped_updates`.
        k: how many components of the updates, at most T - 2.
        draws: how many walks.
        seed: seed of the signs.
        times: [T] when the steps are; needed with a memory.
        memory: what momentum and weight decay do to a walk.

    Returns:
        The share sum_j <p_1, u_j>^2, 0 to 1, and that of the walks.
    """
    found = _share_in_updates(updates_gram(g), k)
    null = np.array(
        [
            _share_in_updates(updates_gram(walk), k)
            for walk in flipped_updates(g, times, memory).grams(draws, seed)
        ]
    )
    return OverlapNull(found, null.reshape(draws))


def _share_in_updates(products: Float64[np.ndarray, "u u"], k: int) -> float:
    # Both components are combinations of the updates U: p = U^T x / ||.||, and inner products are those of P = U U^T.
    count = len(products)
    walked = np.pad(np.cumsum(np.cumsum(products, axis=0), axis=1), ((1, 0), (1, 0)))
    first = leading_eigenpairs(double_centred(walked), 1)[1][:, 0]
    first = first - first.mean()
    # w(t) = sum of the updates before t, so a combination of weights is one of updates with reversed cumulated sums.
    x = np.cumsum(first[::-1])[::-1][1:]
    values, leading = leading_eigenpairs(double_centred(products), min(k, count - 1))
    leading = leading - leading.mean(axis=0)
    norm = float(x @ products @ x)
    scale = np.maximum(values, np.finfo(np.float64).tiny)
    inner = leading.T @ products @ x
    good = scale > 1e-12 * scale[0]
    return float((inner[good] ** 2 / scale[good]).sum() / norm)


def end_null(
    g: Float64[np.ndarray, "t t"],
    draws: int,
    seed: int,
    times: Float64[np.ndarray, " t"] | None = None,
    memory: Memory = NO_MEMORY,
) -> OverlapNull:
    """Compare how far the first component points along the last weights.

    A random direction is no null: the first component of any walk lies along its end. The walks begin where the weights
    began and make the observed updates with random signs.

    Args:
        g: [T, T] Gram matrix of the weights, from zero.
        draws: how many walks.
        seed: seed of the signs.
        times: [T] when the steps are; needed with a memory.
        memory: what momentum and weight decay do to a walk.

    Returns:
        p_1 . w(T) / ||w(T)||, p_1 turned to point along the motion, and that of the walks; both ways.
    """
    walks = flipped_updates(g, times, memory).grams(draws, seed)
    return OverlapNull(
        _along_the_end(g), np.array([_along_the_end(walk) for walk in walks]).reshape(draws), "two"
    )


def norm_null(
    g: Float64[np.ndarray, "t t"],
    times: Float64[np.ndarray, " t"],
    draws: int,
    seed: int,
    memory: Memory = NO_MEMORY,
) -> OverlapNull:
    """Compare how the norm of the weights grows with how that of walks grows: they get longer without any drift.

    Args:
        g: [T, T] Gram matrix of the weights, from zero.
        times: [T] when the steps are.
        draws: how many walks.
        seed: seed of the signs.
        memory: what momentum and weight decay do to a walk.

    Returns:
        The slope of ||w(t)|| per unit of time, and that of the walks; both ways.
    """

    def slope(products: Float64[np.ndarray, "t t"]) -> float:
        return float(np.polyfit(times, np.sqrt(np.maximum(np.diag(products), 0.0)), 1)[0])

    walks = flipped_updates(g, times, memory).grams(draws, seed)
    return OverlapNull(slope(g), np.array([slope(walk) for walk in walks]).reshape(draws), "two")


def _along_the_end(g: Float64[np.ndarray, "t t"]) -> float:
    (largest,), vectors = leading_eigenpairs(double_centred(g), 1)
    first = vectors[:, 0] - vectors[:, 0].mean()
    # p_1 = sum_t first_t w(t) / root of its squared length, along which the weights have the scores first_t root.
    first *= 1.0 if first @ np.arange(len(first)) >= 0.0 else -1.0
    root = np.sqrt(max(float(largest), np.finfo(np.float64).tiny))
    return float(first @ g[:, -1] / root / np.sqrt(max(float(g[-1, -1]), np.finfo(np.float64).tiny)))


def singular_null(
    x: Float64[np.ndarray, "t n m"],
    draws: int,
    seed: int,
    colour: Float64[np.ndarray, "u u"] | None = None,
    kept: Float64[np.ndarray, " u"] | None = None,
    leading: int = LEADING_BOTH,
) -> tuple[OverlapNull, OverlapNull]:
    """Compare components of the weights with singular matrices of the last step, beside those of walks.

    The walks begin where the weights began and make the observed updates with random signs. Their first components lie
    along their ends, and so do leading singular matrices there: a random direction is no null.

    Args:
        x: [T, rows, cols] the weights at some steps, at most a few dozen.
        draws: how many walks.
        seed: seed of the signs.
        colour: L of the covariance L L^T of the updates, see `Memory.colour`; None for independent ones.
        kept: [T - 1] what weight decay leaves of the weights from step to step, see `Memory.kept`; None for all.
        leading: how many components and singular matrices are the leading ones.

    Returns:
        max_j |<p_1, s_j>| of the first component; and the share of the leading components in the leading singular
        matrices, sum of <p_i, s_j>^2 over i, j < leading divided by `leading` (S1 6.1); both with those of the walks.
    """
    found = _met(x, leading)
    updates = x[1:] - (x[:-1] if kept is None else kept[:, None, None] * x[:-1])
    null = []
    for draw in range(draws):
        walk = sign_walks(x[0], updates, [draw], seed, colour, kept)
        null.append(_met(np.stack([step[0].astype(np.float64) for step in walk]), leading))
    drawn = np.array(null).reshape(draws, 2)
    return OverlapNull(found[0], drawn[:, 0]), OverlapNull(found[1], drawn[:, 1])


def _met(x: Float64[np.ndarray, "t n m"], leading: int) -> tuple[float, float]:
    flat = x.reshape(len(x), -1)
    flat = flat - flat.mean(axis=0)
    count = min(leading, len(x) - 1)
    components = leading_eigenpairs(flat @ flat.T, count)[1].T @ flat
    norms = np.linalg.norm(components, axis=1)
    components = components[norms > 1e-9 * norms[0]]
    components /= np.linalg.norm(components, axis=1)[:, None]
    last = singular(x[-1])
    # |<p_i, u_j v_j^T>|, as `overlap` gives it with labels, which take as long as the rest.
    along = components.reshape(-1, *x.shape[1:]) @ last.right.T
    found = np.abs(np.einsum("inj,jn->ij", along, last.left))
    return float(found[0].max()), float((found[:, :leading] ** 2).sum() / leading)
