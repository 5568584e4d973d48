"""A path of several geodesics: change points of the great circle beside walks around fewer of them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float64

from eigentrail._numbers import seed_of, whole
from eigentrail._progress import Progress, silent
from eigentrail.chance import Compared, compare_drawn, percentile_of, requested
from eigentrail.chance.optimizer_memory import Memory
from eigentrail.errors import OptionError, TrajectoryError
from eigentrail.linalg.sharing import shared
from eigentrail.trajectories.change_points import cut, shortest_piece
from eigentrail.trajectories.geodesic import MOST_STEPS, check_circle, choose_places, geodesic
from eigentrail.trajectories.geodesic_null import followed_motions, motion_blocks
from eigentrail.trajectories.great_circle import GreatCircles, fit_great_circles
from eigentrail.trajectories.leading_vectors import SIDES, Follow, Side
from eigentrail.trajectories.null_motions import null_motions
from eigentrail.trajectories.path_walks import NullModel, ObservedMotion
from eigentrail.trajectories.rows import open_rows


@dataclass(frozen=True)
class Segments:
    """The great circles that a path follows one after the other.

    Attributes:
        changes: [c] first step of each new segment, as labelled.
        intervals: [c, 2] the steps between which each change lies with 95% probability, neighbours held.
        table: a row for each segment: `start`, `stop` (first and last step), `steps`, `rss`, `arc`, `score`, `turn`,
            the largest angle in radians between its plane and the one before, and `p`, the chance that walks around the
            segments of before gain as much by a change (both NaN for the first).
        fits: the great circle of each segment, in the same order.
        rss_single: sum of squared residuals with one circle for all.
        rss: the same with these segments.
        count: how many segments there are at least, without a limit.
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
    count: int
    null_counts: Float64[np.ndarray, " d"]
    vectors: xr.DataArray
    note: str = ""

    @property
    def compared(self) -> Compared | None:
        """The count beside that of random walks; None without a null."""
        return compare_drawn(self.count, self.null_counts)

    @property
    def percentile(self) -> float | None:
        """Where the count lies among that of random walks, 0 to 100; None without a null."""
        return percentile_of(self.compared)

    @property
    def claimed(self) -> bool:
        """Whether the path has several segments, more than random walks of the weights have."""
        return self.count > 1 and self.compared is not None and self.compared.beyond

    @property
    def verdict(self) -> str:
        """How many great circles the path follows, beside random walks, in one sentence."""
        if self.count == 1:
            return "The path changes its great circle nowhere by more than walks around one circle seem to."
        seen = f"The path follows {self.count} great circles or more one after the other"
        compared = self.compared
        if compared is None:
            return f"{seen}; whether walks of the weights do too is not known without a null."
        beside = f"walks of the same updates in random order follow {compared.median:g} in the median"
        if compared.beyond:
            return f"{seen}; {beside} of {compared.draws}."
        return f"{seen}, no more than chance gives: {beside} of {compared.draws}."


def segments(
    x: Any,
    dims: Literal[1, 2] = 1,
    which: int = 0,
    side: Side = "right",
    *,
    most: int | None = None,
    null: int | Any = requested.ENOUGH,
    seed: int = 0,
    null_shape: tuple[int, int] | None = None,
    null_model: NullModel = "signs",
    follow: Follow = "overlap",
    start: int | Literal["spike"] | None = None,
    steps: int = MOST_STEPS,
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
) -> Segments:
    """Find the change points between great circles.

    A change is there where walks around the circles found so far seldom gain as much by one (5% over all tests): what
    these circles leave of each step gets a random sign, so that noise which stays, as that of a training does, makes no
    changes. Of many short circles some changes are missed: the count is that of circles there are at least. It asks
    where the *direction* of the motion changes; whether the path is a great circle at all is asked by `geodesic`. A
    path that leaves its circle for a few steps and goes on along it, as vectors do while their singular value crosses
    another one, has no change.

    Args:
        x: as of `geodesic`: weights [T, out, in] or unit vectors [T, n].
        dims: 1 for great circles, 2 for great 2-spheres.
        which: rank of the followed singular vector at the start.
        side: "right" or "left".
        most: the largest number of segments that are given; `count` knows no limit.
        null: number of random walks of the weights that are cut in the same way, 0 for none; or their counts, from
            `walk_counts` or an earlier call; no counts are no null. Unit vectors have walks with `null_shape` only,
            else `note` says that there is no null.
        seed: of the walks.
        null_shape: as of `geodesic`: for unit vectors, (out, in) of the weights whose singular vectors they are.
        null_model: "signs" or "walks", as of `geodesic`.
        follow: as of `geodesic`: with "rank" the vector jumps at crossings; for such single steps see `jumps`.
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
    most = None if most is None else whole("most", most, 1)
    draws, pool = requested.given(null, "counts")
    memory = Memory(momentum, nesterov, weight_decay)
    path = geodesic(
        x, dims, which, side, null=0, null_shape=null_shape, follow=follow, start=start, steps=steps
    ).vectors
    vectors = path.values
    _check_length(len(vectors), dims)
    note = ""
    if pool is None:
        pool = np.zeros(0)
        if draws and (len(open_rows(x).shape) > 1 or null_shape is not None):
            pool = walk_counts(
                x,
                draws,
                dims,
                which,
                sides=(side,),
                seed=seed,
                null_shape=null_shape,
                null_model=null_model,
                side=side,
                follow=follow,
                start=start,
                steps=steps,
                momentum=momentum,
                nesterov=nesterov,
                weight_decay=weight_decay,
            )[side]
        elif draws:
            note = "no null: the shape of the weights is not known; give null_shape=(out, in)"
    labels = path["step"].values
    pieces = cut(vectors, dims, most, seed_of(seed), memory.colour_of(labels))
    edges = (*pieces.starts, len(vectors))
    fits = tuple(fit_great_circles(vectors[None, a:b], dims) for a, b in itertools.pairwise(edges))
    return Segments(
        changes=labels[np.array(pieces.starts[1:], dtype=int)],
        intervals=labels[pieces.intervals],
        table=_table(fits, edges, labels, pieces.p_values),
        fits=fits,
        rss_single=float(fit_great_circles(vectors[None], dims).rss[0]),
        rss=float(sum(fit.rss[0] for fit in fits)),
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
    sides: Sequence[Side] = SIDES,
    seed: int = 0,
    null_shape: tuple[int, int] | None = None,
    null_model: NullModel = "signs",
    side: Side = "right",
    follow: Follow = "overlap",
    start: int | Literal["spike"] | None = None,
    steps: int = MOST_STEPS,
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    progress: Progress = silent,
) -> Mapping[Side, Float64[np.ndarray, " d"]]:
    """Count the segments of random walks of the weights: of the observed updates in random order with random signs.

    In their own order the updates of a path that changes its direction change theirs, whatever their signs are; each
    takes the size of the one whose place it takes.

    Args:
        x: weights [T, out, in] or unit vectors [T, n], as of `geodesic`.
        draws: how many walks.
        dims: 1 for great circles, 2 for great 2-spheres.
        which: rank of the followed singular vector at the start.
        sides: of which vectors segments are counted.
        seed: of the walks.
        null_shape: as of `geodesic`, needed for unit vectors.
        null_model: "signs" or "walks", as of `geodesic`.
        side: which vectors the unit vectors are.
        follow: as of `geodesic`.
        start: as of `geodesic`.
        steps: how many steps the path and the walks are thinned to.
        momentum: as of `geodesic`.
        nesterov: as of `geodesic`.
        weight_decay: as of `geodesic`.
        progress: is told of the walks done.

    Returns:
        For each side the [draws] counts; none for a side that was not asked for or has too few entries.

    Raises:
        OptionError: an argument is outside what it may be, or `x` are vectors and their shape is not given.
        TrajectoryError: there are too few steps.
    """
    check_circle(dims, side)
    if null_model not in {"signs", "walks"}:
        raise OptionError(f'null_model is "signs" or "walks" here, not {null_model!r}.')
    draws, seed = whole("draws", draws), seed_of(seed)
    memory = Memory(momentum, nesterov, weight_decay)
    rows = open_rows(x, fewest=dims + 2)
    if len(rows.shape) < 2 and null_shape is None:
        raise OptionError(
            "the walks of unit vectors are not known: give the weights [T, out, in], or null_shape=(out, in)."
        )
    places = choose_places(rows, start, dims, steps)
    _check_length(len(places), dims)
    motions = null_motions(rows, places, seed, memory, which, side, null_shape, null_model)
    if isinstance(motions, ObservedMotion):
        # Signs alone would leave every change of direction where it is.
        motions = replace(motions, shuffled=True)
    colour = memory.colour_of(rows.steps[places])

    def counts(numbers: range) -> dict[Side, list[int]]:
        progress("segments of random walks", numbers.start, draws)
        walks = followed_motions(motions, numbers, which, follow)
        wide = [one for one in sides if walks.side(one).shape[2] > dims + 1]
        return {one: [cut(path, dims, 1, seed, colour).count for path in walks.side(one)] for one in wide}

    found = shared(counts, [(numbers,) for numbers in motion_blocks(motions, draws)])
    return {
        one: np.array([count for block in found for count in block.get(one, [])], dtype=np.float64)
        for one in SIDES
    }


def _check_length(count: int, dims: int) -> None:
    if count < 2 * shortest_piece(dims):
        raise TrajectoryError(
            f"{count} steps are too few for two great circles and {2 * shortest_piece(dims)} are needed: record more "
            "often."
        )


def _table(
    fits: tuple[GreatCircles, ...],
    edges: Sequence[int],
    labels: np.ndarray[Any, Any],
    p: Float64[np.ndarray, " c"],
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
                "p": float(p[place - 1]) if place else np.nan,
            }
        )
    return pd.DataFrame(rows)
