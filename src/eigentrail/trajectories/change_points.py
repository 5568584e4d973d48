"""Where a path goes over from one plane through the origin to another, beside walks around the planes found so far.

Noise of a training walks: what it adds at one step stays, so neighbouring vectors share it and a path that follows one
circle to the end bends slowly away from it. The *steps* of such a path are independent. A piece is therefore judged by
its steps: beside the vectors' main direction b those of a great circle lie along one tangent, those of a great 2-sphere
along two. Whether one more piece is there is asked of paths that have no more of them: what the fitted planes leave of
each step gets a random sign, and the path is put together again (a wild bootstrap). It keeps the sizes and directions
of the noise, step by step, and what it adds up to.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from jaxtyping import Float64, Int64

from eigentrail.chance import LEVEL

# Directions of a path that are kept one by one; what is left of each step counts as residual for every plane.
_KEPT = 8
_POWERS = 4
_DRAWS = 200
# A test is over after so many draws of it where so many of them reach what is asked (Besag & Clifford 1991).
_LOOKS = (12, 24, 64, 100)
_REACHED = 6
_ROUNDS = 2


@dataclass(frozen=True)
class Pieces:
    """A path cut into pieces, each near a plane of its own.

    Attributes:
        starts: [c] number of the first vector of each piece, 0 the first of them.
        count: how many pieces there are without a limit.
        p_values: [c - 1] the chance that paths with one piece less gain as much by a cut, for each change; that of
            the test with which the change was found.
        intervals: [c - 1, 2] the vectors between which each change lies with 95% probability, its neighbours held.
    """

    starts: tuple[int, ...]
    count: int
    p_values: Float64[np.ndarray, " c"]
    intervals: Int64[np.ndarray, "c 2"]


def shortest_piece(dims: int) -> int:
    """Give the number of vectors below which a piece is not looked for.

    Args:
        dims: 1 for great circles, 2 for great 2-spheres.

    Returns:
        That number; a path that is to be cut has twice as many.
    """
    return dims + 3


def cut(
    x: Float64[np.ndarray, "t n"],
    dims: int,
    most: int | None = None,
    seed: int = 0,
    colour: Float64[np.ndarray, "s s"] | None = None,
) -> Pieces:
    """Cut a path into as many pieces as its steps ask for.

    From one piece on, the piece whose best cut gains the most beside walks around the present planes is cut, as long as
    its p-value is at most 5% over the number of pieces.

    Args:
        x: unit vectors, those of a path aligned in sign; at least twice `shortest_piece`.
        dims: 1 for great circles, 2 for great 2-spheres.
        most: the largest number of pieces that are given; `count` knows no limit.
        seed: seed of the signs.
        colour: L of the covariance L L^T of the steps where the optimizer has momentum, see `Memory.colour`.

    Returns:
        The pieces.
    """
    path = _own_axes(x)
    rng = np.random.default_rng([seed, len(x), dims])
    edges, found = [0, len(x) - 1], [1.0]
    kept: tuple[list[int], list[float]] = ([*edges], [])
    while True:
        p, place = _next_cut(path, edges, dims, colour, rng)
        if p > LEVEL / (len(edges) - 1):
            break
        edges = _settled(path, sorted([*edges, place]), dims)
        found.insert(int(np.searchsorted(edges, place)), p)
        if most is None or len(edges) - 1 <= most:
            kept = [*edges], found[1:]
    # One piece has no changes: walks, of which only the number of pieces is asked, are cut so.
    intervals = _intervals(path, kept[0], dims, colour, rng)
    return Pieces(tuple(kept[0][:-1]), len(edges) - 1, np.array(kept[1]), intervals)


def _own_axes(x: Float64[np.ndarray, "t n"]) -> Float64[np.ndarray, "t r"]:
    u, s, _ = np.linalg.svd(x, full_matrices=False)
    return np.asarray(u * s)


class _Residuals:
    """What the best plane of any piece leaves of its steps, for many paths at once."""

    def __init__(self, x: Float64[np.ndarray, "b t n"], dims: int):
        self.dims = dims
        axes = _main_axes(x)
        z, steps = x @ axes, np.diff(x, axis=1)
        kept = np.diff(z, axis=1)
        rest = np.einsum("btn,btn->bt", steps, steps) - np.einsum("btr,btr->bt", kept, kept)
        self._sums = _summed(z[:, :, :, None] * z[:, :, None, :])
        self._moved = _summed(kept[:, :, :, None] * kept[:, :, None, :])
        self._rest = _summed(np.maximum(rest, 0.0))

    def of(self, begin: Int64[np.ndarray, " c"], end: Int64[np.ndarray, " c"]) -> Float64[np.ndarray, "b c"]:
        """Sum the squares beside the best plane of the steps from vector `begin` to vector `end`."""
        main = _leading(self._sums[:, end + 1] - self._sums[:, begin])
        moved = self._moved[:, end] - self._moved[:, begin]
        along = (moved @ main[..., None])[..., 0]
        own = np.einsum("bci,bci->bc", along, main)
        across = moved - main[..., :, None] * along[..., None, :] - along[..., :, None] * main[..., None, :]
        across += own[..., None, None] * main[..., :, None] * main[..., None, :]
        total = np.trace(across, axis1=2, axis2=3)
        if self.dims == 1:
            tangent = _leading(across)
            inside = np.einsum("bci,bci->bc", tangent, (across @ tangent[..., None])[..., 0])
        else:
            inside = np.linalg.eigvalsh(across)[..., -self.dims :].sum(axis=-1)
        left = np.maximum(total - inside, 0.0) + self._rest[:, end] - self._rest[:, begin]
        return np.asarray(np.maximum(left, 1e-28))

    def gains(self, begin: int, end: int) -> tuple[Float64[np.ndarray, " b"], Int64[np.ndarray, " b"]]:
        """Give the share of the residual that the best cut takes away, and the vector at which it is."""
        shortest = shortest_piece(self.dims)
        places = np.arange(begin + shortest, end - shortest + 1)
        if not len(places):
            return np.zeros(len(self._sums)), np.full(len(self._sums), begin)
        both = self.of(np.full_like(places, begin), places) + self.of(places, np.full_like(places, end))
        whole = self.of(np.array([begin]), np.array([end]))[:, 0]
        return 1.0 - both.min(axis=1) / whole, places[both.argmin(axis=1)]


def _main_axes(x: Float64[np.ndarray, "b t n"]) -> Float64[np.ndarray, "b n r"]:
    """Find the directions in which each path extends most, nearly: what lies beside them is residual anyway."""
    count = x.shape[1]
    spread = np.round(np.linspace(0, count - 1, min(_KEPT, count, x.shape[2]))).astype(int)
    block = x[:, spread].swapaxes(1, 2)
    for _ in range(2):
        block = np.linalg.qr(x.swapaxes(1, 2) @ (x @ block))[0]
    return np.asarray(block)


def _summed(parts: Float64[np.ndarray, "b t ..."]) -> Float64[np.ndarray, "b t1 ..."]:
    sums = np.zeros((parts.shape[0], parts.shape[1] + 1, *parts.shape[2:]))
    np.cumsum(parts, axis=1, out=sums[:, 1:])
    return sums


def _leading(moments: Float64[np.ndarray, "b c r r"]) -> Float64[np.ndarray, "b c r"]:
    """Find the leading eigenvectors by a few powers; observed and drawn paths are treated alike."""
    largest = np.einsum("bcii->bci", moments).argmax(axis=2)
    vector = np.take_along_axis(moments, largest[..., None, None], axis=3)
    for _ in range(_POWERS):
        vector = moments @ vector
        vector = vector / np.maximum(np.linalg.norm(vector, axis=2, keepdims=True), 1e-300)
    return np.asarray(vector[..., 0])


def _planes(
    x: Float64[np.ndarray, "t r"], edges: Sequence[int], dims: int
) -> tuple[Float64[np.ndarray, "s r"], Float64[np.ndarray, "s r"]]:
    """Split each step into what lies in the plane of its piece and what lies beside it."""
    steps = np.diff(x, axis=0)
    inside, beside = np.zeros_like(steps), np.zeros_like(steps)
    for a, b in itertools.pairwise(edges):
        main = np.linalg.svd(x[a : b + 1], full_matrices=False)[2][:1]
        across = steps[a:b] - steps[a:b] @ main.T @ main
        plane = np.vstack([main, np.linalg.svd(across, full_matrices=False)[2][:dims]])
        inside[a:b] = steps[a:b] @ plane.T @ plane
        # The plane takes noise along its tangents with it.
        beside[a:b] = (steps[a:b] - inside[a:b]) * np.sqrt((b - a) / max(1, b - a - dims))
    return inside, beside


def _drawn(
    x: Float64[np.ndarray, "t r"],
    edges: Sequence[int],
    dims: int,
    colour: Float64[np.ndarray, "s s"] | None,
    draws: int,
    rng: np.random.Generator,
) -> Float64[np.ndarray, "b t r"]:
    """Draw paths around the planes of the pieces: what the steps have beside them gets random signs."""
    inside, beside = _planes(x, edges, dims)
    signs = rng.choice([-1.0, 1.0], size=(draws, len(beside), 1))
    if colour is None:
        walked = signs * beside
    else:
        walked = colour @ (signs * scipy.linalg.solve_triangular(colour, beside, lower=True))
    paths = np.repeat(x[None], draws, axis=0)
    paths[:, 1:] = x[0] + np.cumsum(inside + walked, axis=1)
    return np.asarray(paths / np.linalg.norm(paths, axis=2, keepdims=True))


def _next_cut(
    x: Float64[np.ndarray, "t r"],
    edges: Sequence[int],
    dims: int,
    colour: Float64[np.ndarray, "s s"] | None,
    rng: np.random.Generator,
) -> tuple[float, int]:
    """Find the piece whose best cut gains the most beside walks around the pieces: its p-value, and where."""
    pieces = list(itertools.pairwise(edges))
    observed = [_Residuals(x[None], dims).gains(a, b) for a, b in pieces]
    gain = np.array([one[0][0] for one in observed])
    drawn = np.zeros((0, len(pieces)))
    reached = np.zeros(len(pieces))
    for draws in _LOOKS:
        paths = _Residuals(_drawn(x, edges, dims, colour, draws, rng), dims)
        drawn = np.concatenate([drawn, np.array([paths.gains(a, b)[0] for a, b in pieces]).T])
        reached = (drawn >= gain * (1.0 - 1e-9)).sum(axis=0)
        if (reached >= _REACHED).all():
            break
    p = (1.0 + reached) / (1.0 + len(drawn))
    # Of equal ones the piece that gains most beyond what walks do.
    best = max(range(len(p)), key=lambda i: (-p[i], gain[i] - float(np.median(drawn[:, i]))))
    return float(p[best]), int(observed[best][1][0])


def _settled(x: Float64[np.ndarray, "t r"], edges: list[int], dims: int) -> list[int]:
    """Find each change anew between its neighbours."""
    paths = _Residuals(x[None], dims)
    for _ in range(_ROUNDS):
        for place in range(1, len(edges) - 1):
            edges[place] = int(paths.gains(edges[place - 1], edges[place + 1])[1][0])
    return edges


def _intervals(
    x: Float64[np.ndarray, "t r"],
    edges: Sequence[int],
    dims: int,
    colour: Float64[np.ndarray, "s s"] | None,
    rng: np.random.Generator,
) -> Int64[np.ndarray, "c 2"]:
    """Say how far from a change it is found again in walks around the pieces."""
    if len(edges) < 3:
        return np.zeros((0, 2), dtype=np.int64)
    paths = _Residuals(_drawn(x, edges, dims, colour, _DRAWS, rng), dims)
    out = []
    for before, at, after in zip(edges, edges[1:], edges[2:], strict=False):
        off = paths.gains(before, after)[1] - at
        low, high = np.quantile(off, [0.5 * LEVEL, 1.0 - 0.5 * LEVEL])
        out.append([max(before, at - int(np.ceil(high))), min(after, at - int(np.floor(low)))])
    return np.array(out, dtype=np.int64)
