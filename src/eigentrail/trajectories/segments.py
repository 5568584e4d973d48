"""A path of several geodesics: change points of the great circle, with a penalty and their uncertainty."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float64

from eigentrail._numbers import real, seed_of, whole
from eigentrail._progress import Progress, silent
from eigentrail.chance import Compared, compare_drawn, percentile_of, requested
from eigentrail.chance.optimizer_memory import Memory
from eigentrail.errors import OptionError, TrajectoryError
from eigentrail.trajectories.change_points import cut, shortest_piece
from eigentrail.trajectories.geodesic import MOST_STEPS, check_circle, choose_places, geodesic, walk_norms
from eigentrail.trajectories.geodesic_null import walked_vectors
from eigentrail.trajectories.great_circle import GreatCircles, fit_great_circles
from eigentrail.trajectories.leading_vectors import SIDES, Side
from eigentrail.trajectories.path_walks import GaussianWalks
from eigentrail.trajectories.rows import open_rows


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
        count: how many segments that penalty gives without a limit. It is no number of geodesics: one circle with noise
            that walks is cut into eight as a rule.
        null_counts: [draws] the same of random walks of the weights; empty without a null.
        vectors: the path [step, entry].
        note: what should be known, in words; "" if nothing.
    """

    changes: np.ndarray[Any, Any]
    intervals: np.ndarray[Any, Any]
    table: pd.DataFrame
    fits: tuple[GreatCircles, ...]
    rss_single: float
    rss: float
    penalty: float
    count: int
    null_counts: Float64[np.ndarray, " d"]
    vectors: xr.DataArray
    note: str = ""

    @property
    def compared(self) -> Compared | None:
        """The count beside that of random walks, which bend too; None without a null."""
        return compare_drawn(self.count, self.null_counts)

    @property
    def percentile(self) -> float | None:
        """Where the count lies among that of random walks, 0 to 100; None without a null."""
        return percentile_of(self.compared)

    @property
    def verdict(self) -> str:
        """Where the path is cut, and that the number of pieces is no number of geodesics, in one sentence."""
        circles = f"The path is cut into {self.count} great circle{'' if self.count == 1 else 's'}"
        compared = self.compared
        if compared is None:
            return f"{circles}, which says nothing without a null."
        return (
            f"{circles}, random walks of the weights with the same steps into {compared.median:g} (median of "
            f"{compared.draws}): noise that walks is cut too, so this is no number of geodesics."
        )


def segments(
    x: Any,
    dims: Literal[1, 2] = 1,
    which: int = 0,
    side: Side = "right",
    *,
    penalty: float = 1.0,
    most: int | None = None,
    null: int | Any = requested.ENOUGH,
    seed: int = 0,
    null_shape: tuple[int, int] | None = None,
    start: int | Literal["spike"] | None = None,
    steps: int = MOST_STEPS,
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
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
        null: number of random walks of the weights that are cut in the same way, 0 for none; or their counts, from
            `walk_counts` or an earlier call; no counts are no null. Unit vectors have walks with `null_shape` only,
            else `note` says that there is no null.
        seed: of the walks.
        null_shape: as of `geodesic`: for unit vectors, (out, in) of the weights whose singular vectors they are.
        start: as of `geodesic`.
        steps: how many steps the path is thinned to.
        momentum: as of `geodesic`.
        nesterov: as of `geodesic`.
        weight_decay: as of `geodesic`.

    Returns:
        The segments; one where nothing changes.

    Raises:
        OptionError: an argument is outside what it may be.
        TrajectoryError: there are too few steps, or the vector does not move.
    """
    penalty = _checked_penalty(penalty)
    most = None if most is None else whole("most", most, 1)
    draws, pool = requested.given(null, "counts")
    path = geodesic(x, dims, which, side, null=0, null_shape=null_shape, start=start, steps=steps).vectors
    vectors = path.values
    _check_length(len(vectors), dims)
    options: dict[str, Any] = {"penalty": penalty, "seed": seed, "start": start, "steps": steps}
    options |= {"momentum": momentum, "nesterov": nesterov, "weight_decay": weight_decay}
    note = ""
    if pool is None:
        pool = np.zeros(0)
        if draws and (len(open_rows(x).shape) > 1 or null_shape is not None):
            pool = walk_counts(x, draws, dims, which, null_shape=null_shape, side=side, **options)[side]
        elif draws:
            note = "no null: the shape of the weights is not known; give null_shape=(out, in)"
    pieces = cut(vectors, dims, penalty, most)
    labels, edges = path["step"].values, pieces.edges
    intervals = [labels[pieces.interval(i)] for i in range(1, len(pieces.starts))]
    fits = tuple(fit_great_circles(vectors[None, a:b], dims) for a, b in itertools.pairwise(edges))
    return Segments(
        changes=labels[np.array(pieces.starts[1:], dtype=int)],
        intervals=np.array(intervals, dtype=labels.dtype).reshape(-1, 2),
        table=_table(fits, edges, labels),
        fits=fits,
        rss_single=float(fit_great_circles(vectors[None], dims).rss[0]),
        rss=float(sum(fit.rss[0] for fit in fits)),
        penalty=pieces.price,
        count=pieces.count,
        null_counts=pool,
        vectors=path,
        note=note,
    )


def walk_counts(
    x: Any,
    draws: int,
    dims: Literal[1, 2] = 1,
    which: int = 0,
    *,
    penalty: float = 1.0,
    seed: int = 0,
    null_shape: tuple[int, int] | None = None,
    side: Side = "right",
    start: int | Literal["spike"] | None = None,
    steps: int = MOST_STEPS,
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    progress: Progress = silent,
) -> Mapping[Side, Float64[np.ndarray, " d"]]:
    """Count the segments of random walks of the weights, with the norms of the observed start and steps.

    Args:
        x: weights [T, out, in] or unit vectors [T, n], as of `geodesic`.
        draws: how many walks.
        dims: 1 for great circles, 2 for great 2-spheres.
        which: rank of the followed singular vector at the start.
        penalty: as of `segments`.
        seed: of the walks.
        null_shape: as of `geodesic`, needed for unit vectors.
        side: which vectors the unit vectors are.
        start: as of `geodesic`.
        steps: how many steps the path and the walks are thinned to.
        momentum: as of `geodesic`.
        nesterov: as of `geodesic`.
        weight_decay: as of `geodesic`.
        progress: is told of the walks done.

    Returns:
        For each side the [draws] counts; none for a side of too few entries.

    Raises:
        OptionError: an argument is outside what it may be, or `x` are vectors and their shape is not given.
        TrajectoryError: there are too few steps.
    """
    check_circle(dims, side)
    draws, penalty, seed = whole("draws", draws), _checked_penalty(penalty), seed_of(seed)
    memory = Memory(momentum, nesterov, weight_decay)
    rows = open_rows(x, fewest=dims + 2)
    if len(rows.shape) < 2 and null_shape is None:
        raise OptionError(
            "the walks of unit vectors are not known: give the weights [T, out, in], or null_shape=(out, in)."
        )
    places = choose_places(rows, start, dims, steps)
    _check_length(len(places), dims)
    colour, kept = memory.colour_of(rows.steps[places]), memory.kept(rows.steps[places])
    first, norms, shape = walk_norms(rows, places, which, side, null_shape, seed, colour, kept)
    counts: dict[Side, list[int]] = {one: [] for one in SIDES}
    done = 0
    for walks in walked_vectors(GaussianWalks(shape, first, norms, seed, colour, kept), draws, which):
        progress("segments of random walks", done, draws)
        for one in SIDES:
            vectors = walks.side(one)
            if vectors.shape[2] > dims + 1:
                counts[one] += [cut(path, dims, penalty).count for path in vectors]
        done += len(walks.values)
    return {one: np.array(found, dtype=np.float64) for one, found in counts.items()}


def _checked_penalty(penalty: Any) -> float:
    found = real("penalty", penalty)
    if not found > 0.0:
        raise OptionError(f"penalty is larger than 0, not {penalty}.")
    return found


def _check_length(count: int, dims: int) -> None:
    if count < 2 * shortest_piece(dims):
        raise TrajectoryError(
            f"{count} steps are too few for two great circles and {2 * shortest_piece(dims)} are needed: record more "
            "often."
        )


def _table(
    fits: tuple[GreatCircles, ...], edges: Sequence[int], labels: np.ndarray[Any, Any]
) -> pd.DataFrame:
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
