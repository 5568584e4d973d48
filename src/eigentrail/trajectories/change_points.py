"""Where a path goes over from one plane through the origin to another: exact optimal partitioning with a penalty."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

# Directions of the path that are kept one by one; what is left of each vector counts as residual for every plane.
_KEPT = 16
_LEVEL = 0.95
_RAISE = 1.25
# So many shortest pieces an excursion may be long.
_EXCURSION = 3


@dataclass(frozen=True)
class Pieces:
    """A path cut into pieces, each near a plane of its own.

    Attributes:
        vectors: [T, n] the path.
        dims: the planes have dims + 1 dimensions.
        starts: [c] number of the first vector of each piece, 0 the first of them.
        count: how many pieces the penalty gives without a limit.
        price: what a cut has to lower the sum of squared distances by, without a limit.
        scale: the squared residual of a vector beside its neighbours.
        costs: [T, T] squared distances of the vectors i .. j, both included, to their best plane.
    """

    vectors: Float64[np.ndarray, "t n"]
    dims: int
    starts: tuple[int, ...]
    count: int
    price: float
    scale: float
    costs: Float64[np.ndarray, "t t"]

    @property
    def edges(self) -> tuple[int, ...]:
        """The starts, and the number of vectors."""
        return (*self.starts, len(self.vectors))

    def interval(self, change: int) -> Int64[np.ndarray, "2"]:
        """Say between which vectors a cut lies with 95% probability, its neighbours held.

        Args:
            change: which of the cuts, 1 the first one.

        Returns:
            The numbers of the first and of the last of them.
        """
        before, at, after = self.edges[change - 1 : change + 2]
        shortest = shortest_piece(self.dims)
        places = np.arange(before + shortest, after - shortest + 1)
        profile = self.costs[before, places - 1] + self.costs[places, after - 1]
        weight = np.exp(-(profile - profile.min()) / (2.0 * self.scale))
        weight /= weight.sum()
        order = np.argsort(-weight, kind="stable")
        inside = places[order[: int(np.searchsorted(np.cumsum(weight[order]), _LEVEL)) + 1]]
        return np.array([min(inside.min(), at), max(inside.max(), at)])


def shortest_piece(dims: int) -> int:
    """Give the number of vectors below which a piece is not looked for.

    Args:
        dims: 1 for great circles, 2 for great 2-spheres.

    Returns:
        That number; a path that is to be cut has twice as many.
    """
    return dims + 3


def cut(x: Float64[np.ndarray, "t n"], dims: int, penalty: float, most: int | None = None) -> Pieces:
    """Cut a path into pieces.

    A cut must lower the sum of squared distances by penalty s^2 (dims + 1 + 2 ln T), with s^2 the residual of a vector
    beside its neighbours (the median over windows of dims + 4 vectors). Pieces that go on along the plane of before
    after a few vectors outside are put together again.

    Args:
        x: unit vectors, those of a path aligned in sign; at least twice `shortest_piece`.
        dims: 1 for great circles, 2 for great 2-spheres.
        penalty: multiplies the penalty.
        most: the largest number of pieces.

    Returns:
        The pieces.
    """
    costs = _costs(x, dims)
    count, shortest = len(x), shortest_piece(dims)
    windows = np.array([costs[i, i + shortest] for i in range(count - shortest)]) / (shortest + 1 - dims - 1)
    scale = max(float(np.median(windows)), 1e-14)
    price = penalty * scale * (dims + 1 + 2.0 * np.log(count))
    starts = _rejoined(x, _partition(costs, price, shortest), costs, price, dims)
    found, raised = len(starts), price
    while most is not None and len(starts) > most:
        raised *= _RAISE
        starts = _rejoined(x, _partition(costs, raised, shortest), costs, raised, dims)
    return Pieces(x, dims, tuple(starts), found, float(price), scale, costs)


def _costs(x: Float64[np.ndarray, "t n"], dims: int) -> Float64[np.ndarray, "t t"]:
    """Squared distances to the best plane of the vectors i .. j, both included, for all i <= j."""
    u, s, _ = np.linalg.svd(x, full_matrices=False)
    z = (u * s)[:, :_KEPT]
    rest = np.cumsum(((u * s)[:, _KEPT:] ** 2).sum(axis=1))
    sums = np.cumsum(z[:, :, None] * z[:, None, :], axis=0)
    count, width = z.shape
    out = np.zeros((count, count))
    for i in range(count):
        moments = sums[i:] - (sums[i - 1] if i else 0.0)
        left = np.linalg.eigvalsh(moments)[:, : max(0, width - dims - 1)].sum(axis=1)
        out[i, i:] = np.maximum(left, 0.0) + rest[i:] - (rest[i - 1] if i else 0.0)
    return out


def _partition(costs: Float64[np.ndarray, "t t"], price: float, shortest: int) -> list[int]:
    count = len(costs)
    best = np.full(count + 1, np.inf)
    best[0] = -price
    last = np.zeros(count + 1, dtype=int)
    for end in range(shortest, count + 1):
        begins = np.arange(0, end - shortest + 1)
        total = best[begins] + costs[begins, end - 1] + price
        last[end] = begins[int(total.argmin())]
        best[end] = total.min()
    starts = [int(last[count])]
    while starts[0]:
        starts.insert(0, int(last[starts[0]]))
    return starts


def _rejoined(
    x: Float64[np.ndarray, "t n"],
    starts: list[int],
    costs: Float64[np.ndarray, "t t"],
    price: float,
    dims: int,
) -> list[int]:
    """Take out changes around a few steps after which the path goes on along the circle of before."""
    edges = [*starts, len(x)]
    place = 1
    while place < len(edges) - 2:
        for stop in range(len(edges) - 2, place, -1):
            a, b, c, d = edges[place - 1], edges[place], edges[stop], edges[stop + 1]
            if c - b > _EXCURSION * (dims + 3):
                continue
            values = np.linalg.svd(np.concatenate([x[a:b], x[c:d]]), compute_uv=False)
            saved = (stop - place + 1) * price
            if float((values[dims + 1 :] ** 2).sum()) <= costs[a, b - 1] + costs[c, d - 1] + saved:
                del edges[place : stop + 1]
                place = max(1, place - 1) - 1
                break
        place += 1
    return edges[:-1]
