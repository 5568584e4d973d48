"""One singular vector followed over steps by its overlap, in many trajectories at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from jaxtyping import Float, Float64, Int64

from eigentrail.linalg.singular_triples import Solver, leading_triples

Side: TypeAlias = Literal["left", "right"]
#: Both sides, in the order in which results hold them.
SIDES: tuple[Side, Side] = ("right", "left")
#: Which singular vector a path is of, from step to step.
Follow: TypeAlias = Literal["overlap", "rank"]
FOLLOWED: tuple[Follow, ...] = ("overlap", "rank")
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
    matrices: Iterable[Float[np.ndarray, "b n m"]],
    which: int,
    solver: Solver | None = None,
    follow: Follow = "overlap",
) -> FollowedVectors:
    """Follow a singular vector: at each step the candidate with the largest overlap with the step before.

    Where singular values cross, the vector of a rank jumps, and the followed one does not. S0's paths are those of a
    rank: their kinks are crossings where the vectors jump.

    Args:
        matrices: b matrices at each step.
        which: rank at the first step, 0 the largest singular value.
        solver: as of `leading_triples`.
        follow: "overlap" for one vector through crossings, "rank" for the vector of that rank at every step.

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
            chosen = score.argmax(axis=1) if follow == "overlap" else np.full(len(w), which)
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
