"""One singular vector followed over steps by its overlap, in many trajectories at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from jaxtyping import Float, Float64, Int64

from eigentrail.spectra.eigenvalues import symmetric_eigen
from eigentrail.trajectories.leading_iteration import SMALL

Side: TypeAlias = Literal["left", "right"]
#: Both sides, in the order in which results hold them.
SIDES: tuple[Side, Side] = ("right", "left")
#: Finds the leading eigenvectors of Gram matrices: [b, m, m], k -> [b, k, m].
Solver: TypeAlias = Callable[[Any, int], Any]
# Up to this order one batched decomposition of all matrices beats one for each.
_BATCHED = 96
_CANDIDATES = 8


@dataclass(frozen=True)
class FollowedVectors:
    """One singular vector of each of b matrices over T steps.

    Attributes:
        left: [b, T, rows] its unit vectors u, aligned in sign from step to step.
        right: [b, T, cols] its unit vectors v, aligned in sign from step to step.
        ranks: [b, T] its place among the singular values, 0 the largest.
        overlaps: [b, T] |u . u'| |v . v'| with the step before; 1 at the first step.
        values: [b, T] its singular value.
    """

    left: Float64[np.ndarray, "b t n"]
    right: Float64[np.ndarray, "b t m"]
    ranks: Int64[np.ndarray, "b t"]
    overlaps: Float64[np.ndarray, "b t"]
    values: Float64[np.ndarray, "b t"]

    def side(self, side: Side) -> Float64[np.ndarray, "b t n"]:
        """Choose a side.

        Args:
            side: "right" for v, "left" for u.

        Returns:
            The vectors of that side.
        """
        return self.right if side == "right" else self.left


def follow_vector(
    matrices: Iterable[Float[np.ndarray, "b n m"]], which: int, solver: Solver | None = None
) -> FollowedVectors:
    """Follow a singular vector: at each step the candidate with the largest overlap with the step before.

    Never by rank: where singular values cross, the vector of a rank jumps, and the followed one does not.

    Args:
        matrices: b matrices at each step.
        which: rank at the first step, 0 the largest singular value.
        solver: as of `leading_triples`.

    Returns:
        The followed vectors.
    """
    lefts: list[np.ndarray[Any, Any]] = []
    rights: list[np.ndarray[Any, Any]] = []
    ranks, overlaps, values = [], [], []
    for w in matrices:
        u, s, v = leading_triples(
            w, min(*w.shape[1:], max(_CANDIDATES, which + 1 + _CANDIDATES // 2)), solver
        )
        rows = np.arange(len(w))
        if not lefts:
            chosen, found = np.full(len(w), which), np.ones(len(w))
        else:
            along = np.einsum("bkn,bn->bk", u, lefts[-1]), np.einsum("bkm,bm->bk", v, rights[-1])
            score = np.abs(along[0] * along[1])
            chosen = score.argmax(axis=1)
            found = score[rows, chosen]
        now_u, now_v = u[rows, chosen], v[rows, chosen]
        if lefts:
            now_u = now_u * np.where(along[0][rows, chosen] < 0.0, -1.0, 1.0)[:, None]
            now_v = now_v * np.where(along[1][rows, chosen] < 0.0, -1.0, 1.0)[:, None]
        lefts.append(now_u)
        rights.append(now_v)
        ranks.append(chosen)
        overlaps.append(found)
        values.append(s[rows, chosen])
    return FollowedVectors(
        np.stack(lefts, axis=1),
        np.stack(rights, axis=1),
        np.stack(ranks, axis=1).astype(np.int64),
        np.stack(overlaps, axis=1),
        np.stack(values, axis=1),
    )


def leading_triples(
    w: Float[np.ndarray, "b n m"], k: int, solver: Solver | None = None
) -> tuple[Float64[np.ndarray, "b k n"], Float64[np.ndarray, "b k"], Float64[np.ndarray, "b k m"]]:
    """Find the k largest singular values of each of b matrices and their vectors.

    Args:
        w: [b, rows, cols], none of them zero.
        k: how many.
        solver: finds the eigenvectors of Gram matrices [b, m, m] for the k largest eigenvalues, [b, k, m]; None for
            full decompositions in float64.

    Returns:
        Left vectors [b, k, rows], singular values [b, k], largest first, right vectors [b, k, cols].
    """
    if w.shape[1] < w.shape[2]:
        v, s, u = leading_triples(w.swapaxes(1, 2), k, solver)
        return u, s, v
    # A power of two for all: squares cannot over- or underflow, and no digit is lost.
    scale = 2.0 ** np.frexp(max(float(w.max()), -float(w.min())))[1]
    x = w * w.dtype.type(1.0 / scale)
    m = x.shape[2]
    products = x.swapaxes(1, 2) @ x
    if solver is not None and m > SMALL:
        short = solver(products, k)
        return *_long(x, short, scale), short
    grams = products.astype(np.float64)
    if m <= _BATCHED:
        short = np.linalg.eigh(grams)[1][:, :, ::-1][:, :, :k].swapaxes(1, 2)
    else:
        short = np.stack([symmetric_eigen(gram, k)[1].T for gram in grams])
    return *_long(x, short, scale), short


def _long(
    x: Float[np.ndarray, "b n m"], short: Float64[np.ndarray, "b k m"], scale: float
) -> tuple[Float64[np.ndarray, "b k n"], Float64[np.ndarray, "b k"]]:
    long = (short.astype(x.dtype) @ x.swapaxes(1, 2)).astype(np.float64)
    sizes = np.sqrt(np.einsum("bkn,bkn->bk", long, long))
    return long / np.maximum(sizes, 1e-300)[:, :, None], sizes * scale
