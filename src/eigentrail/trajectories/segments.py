"""A path of several geodesics: change points of the great circle, with a penalty and their uncertainty."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float64

from eigentrail.errors import OptionError, TrajectoryError
from eigentrail.trajectories.geodesic import MOST_STEPS, geodesic
from eigentrail.trajectories.great_circle import GreatCircles, fit_great_circles
from eigentrail.trajectories.leading_vectors import Side

# Directions of the path that are kept one by one; what is left of each vector counts as residual for every circle.
_KEPT = 16
_LEVEL = 0.95
_RAISE = 1.25
# So many shortest segments an excursion may be long.
_EXCURSION = 3


@dataclass(frozen=True)
class Segments:
    """The great circles that a path follows one after the other.

    Attributes:
        changes: [c] first step of each new segment, as labelled.
        intervals: [c, 2] the steps between which each change lies with 95% probability, neighbours held.
        table: a row for each segment: `start`, `stop` (first and last step), `steps`, `rss`, `arc`, `score`, and
            `turn`, the largest angle in radians between its plane and the one before (NaN for the first).
        fits: the great circle of each segment, in the same order.
        rss_single: sum of squared residuals with one circle for all.
        rss: the same with these segments.
        penalty: what a change has to lower it by.
        count: how many segments that penalty gives without a limit.
        vectors: the path [step, entry].
    """

    changes: np.ndarray[Any, Any]
    intervals: np.ndarray[Any, Any]
    table: pd.DataFrame
    fits: tuple[GreatCircles, ...]
    rss_single: float
    rss: float
    penalty: float
    count: int
    vectors: xr.DataArray


def segments(
    x: Any,
    dims: Literal[1, 2] = 1,
    which: int = 0,
    side: Side = "right",
    *,
    penalty: float = 1.0,
    most: int | None = None,
    start: int | Literal["spike"] | None = None,
    steps: int = MOST_STEPS,
) -> Segments:
    """Find the change points between great circles by exact optimal partitioning.

    The cost of a segment is the sum of the squared distances of its vectors to their plane. A change must lower the
    sum by penalty s^2 (dims + 1 + 2 ln T), with s^2 the residual of a vector beside its neighbours (the median over
    windows of dims + 4 vectors): a plane more fits (dims + 1) s^2 of noise away. A path that leaves its circle for a
    few steps and goes on along it has no change: so do vectors while their singular value crosses another one.

    Args:
        x: as of `geodesic`: weights [T, out, in] or unit vectors [T, n].
        dims: 1 for great circles, 2 for great 2-spheres.
        which: rank of the followed singular vector at the start.
        side: "right" or "left".
        penalty: multiplies the penalty; larger for fewer segments.
        most: the largest number of segments; where the penalty gives more it is raised until they are no more. A smooth
            path that is no circle is cut into many.
        start: as of `geodesic`.
        steps: how many steps the path is thinned to.

    Returns:
        The segments; one where nothing changes.

    Raises:
        OptionError: an argument is outside what it may be.
        TrajectoryError: there are too few steps, or the vector does not move.
    """
    if not penalty > 0.0:
        raise OptionError(f"penalty is larger than 0, not {penalty}.")
    if most is not None and (isinstance(most, bool) or most < 1):
        raise OptionError(f"most is the largest number of segments, 1 or more, not {most!r}.")
    path = geodesic(x, dims, which, side, null=0, start=start, steps=steps).vectors
    vectors = path.values
    count, shortest = len(vectors), dims + 3
    if count < 2 * shortest:
        raise TrajectoryError(
            f"{count} steps are too few for two great circles and {2 * shortest} are needed: record more often."
        )
    costs = _costs(vectors, dims)
    windows = np.array([costs[i, i + shortest] for i in range(count - shortest)]) / (shortest + 1 - dims - 1)
    scale = max(float(np.median(windows)), 1e-14)
    price = penalty * scale * (dims + 1 + 2.0 * np.log(count))
    starts = _rejoined(vectors, _partition(costs, price, shortest), costs, price, dims)
    found = len(starts)
    raised = price
    while most is not None and len(starts) > most:
        raised *= _RAISE
        starts = _rejoined(vectors, _partition(costs, raised, shortest), costs, raised, dims)
    edges = [*starts, count]
    labels = path["step"].values
    intervals = [
        labels[_interval(costs, edges[i - 1], edges[i], edges[i + 1], shortest, scale)]
        for i in range(1, len(starts))
    ]
    fits = tuple(fit_great_circles(vectors[None, a:b], dims) for a, b in itertools.pairwise(edges))
    return Segments(
        changes=labels[np.array(starts[1:], dtype=int)],
        intervals=np.array(intervals, dtype=labels.dtype).reshape(-1, 2),
        table=_table(fits, edges, labels),
        fits=fits,
        rss_single=float(fit_great_circles(vectors[None], dims).rss[0]),
        rss=float(sum(fit.rss[0] for fit in fits)),
        penalty=float(price),
        count=found,
        vectors=path,
    )


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


def _interval(
    costs: Float64[np.ndarray, "t t"], before: int, change: int, after: int, shortest: int, scale: float
) -> np.ndarray[Any, Any]:
    places = np.arange(before + shortest, after - shortest + 1)
    profile = costs[before, places - 1] + costs[places, after - 1]
    weight = np.exp(-(profile - profile.min()) / (2.0 * scale))
    weight /= weight.sum()
    order = np.argsort(-weight, kind="stable")
    inside = places[order[: int(np.searchsorted(np.cumsum(weight[order]), _LEVEL)) + 1]]
    return np.array([min(inside.min(), change), max(inside.max(), change)])


def _table(fits: tuple[GreatCircles, ...], edges: list[int], labels: np.ndarray[Any, Any]) -> pd.DataFrame:
    rows = []
    for place, fit in enumerate(fits):
        turn = np.nan
        if place:
            a, b = fits[place - 1].planes[0], fit.planes[0]
            turn = float(np.arcsin(min(1.0, float(np.linalg.norm(b - (b @ a.T) @ a, 2)))))
        angles = np.unwrap(np.arctan2(fit.path[0, :, 1], fit.path[0, :, 0]))
        rows.append(
            {
                "start": labels[edges[place]],
                "stop": labels[edges[place + 1] - 1],
                "steps": edges[place + 1] - edges[place],
                "rss": float(fit.rss[0]),
                "arc": float(np.ptp(angles)),
                "score": float(fit.score[0]),
                "turn": turn,
            }
        )
    return pd.DataFrame(rows)
