"""Steps where followed singular directions change places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from eigentrail._numbers import real, seed_of, whole, written
from eigentrail._progress import Progress, silent
from eigentrail.chance import requested
from eigentrail.chance.optimizer_memory import Memory
from eigentrail.errors import OptionError, TrajectoryError
from eigentrail.linalg.singular_triples import leading_triples
from eigentrail.trajectories.assigning import MEMORY
from eigentrail.trajectories.crossing_null import (
    MARGIN,
    CrossingChance,
    compare_crossings,
    walk_crossings,
)
from eigentrail.trajectories.directions import Directions
from eigentrail.trajectories.following import MINIMUM_OVERLAP
from eigentrail.trajectories.following import follow as follow_directions
from eigentrail.trajectories.geodesic import MOST_STEPS, as_matrices, thinned
from eigentrail.trajectories.leading_vectors import FOLLOWED, Follow
from eigentrail.trajectories.null_motions import null_motions
from eigentrail.trajectories.path_walks import NullModel
from eigentrail.trajectories.rows import open_rows


@dataclass(frozen=True)
class Crossings:
    """Leading singular directions followed by their overlaps.

    Attributes:
        values: singular value of each followed direction [step, direction]; NaN where it is not among the leading.
        ranks: its place among the singular values, 0 the largest; -1 where it is not among the leading.
        table: a row for each exchange of places among the first k: `step`, where it is first seen, `up` and `down`,
            the directions, `rank`, the better of the two places.
        leading: [step] the direction with the largest singular value.
        chance: how often directions change places beside random walks of the weights, both at the same steps.
    """

    values: xr.DataArray
    ranks: xr.DataArray
    table: pd.DataFrame
    leading: xr.DataArray
    chance: CrossingChance

    @property
    def verdict(self) -> str:
        """Whether directions change places more often than in random walks, in one sentence."""
        return self.chance.verdict

    @property
    def leading_changes(self) -> np.ndarray[Any, Any]:
        """The steps at which another direction becomes the leading one."""
        changed = np.flatnonzero(np.diff(self.leading.values) != 0) + 1
        return np.asarray(self.leading["step"].values[changed])


def crossings(
    x: Any,
    k: int = 4,
    *,
    minimum: float = MINIMUM_OVERLAP,
    null: int | Any = requested.ENOUGH,
    seed: int = 0,
    null_model: NullModel = "signs",
    follow: Follow = "overlap",
    steps: int = MOST_STEPS,
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    progress: Progress = silent,
) -> Crossings:
    """Find crossings of the k leading singular values, and which direction leads when.

    Directions are assigned from step to step by |u . u'| |v . v'|, all at once, never by rank. Inside a bulk of
    noise vectors mix at every step: exchanges mean something for values that stand out of it, or where there are more
    or fewer of them than in random walks: from the same start by the observed updates with random signs. For the
    comparison walks and observed path are thinned alike.

    Args:
        x: [T, out, ...] weights over steps.
        k: how many leading values to look at.
        minimum: the smallest overlap of a direction with itself one step later.
        null: number of random walks, 0 for none; or the counts of an earlier call (`chance.walks`), for walks of the
            same shape and norms; no counts are no null. 200 walks of 100 steps take about 5 s of one core for
            64 x 50, 13 s for 256 x 128 weights, and grow as the number of weights times the smaller side.
        seed: seed of the walks.
        null_model: "signs", or "walks" for Gaussian matrices with the norms of the observed start and steps.
        follow: "overlap" for directions that are known by their last 8 appearances, through the steps at which two of
            nearly equal strength mix; "rank" for what the vector of a rank sees, as S0 follows it: only the step before
            tells who takes the rank, and each jump of the rank's vector to another direction counts. Walks are followed
            alike.
        steps: how many steps are compared, 3 to 100.
        momentum: of the optimizer (Adam's beta_1), per unit of the steps' labels; 0 to below 1. Its walks remember.
        nesterov: whether it is Nesterov's.
        weight_decay: the share of themselves that weights lose at each step, see `Memory`. Its walks decay.
        progress: is told of the walks done.

    Returns:
        The followed directions and their crossings.

    Raises:
        OptionError: an argument is outside what it may be.
        TrajectoryError: there are too few steps, weights without a matrix form, or weights that are zero or not
            finite.
    """
    rows = open_rows(x)
    if len(rows.shape) < 2:
        raise TrajectoryError(
            "weights of one dimension have no singular values to cross: choose a weight matrix."
        )
    m = min(rows.shape[0], rows.n // rows.shape[0])
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or not 1 <= k <= m:
        raise OptionError(f"k is a number of singular values, 1 to {m} here, not {k!r}.")
    k = int(k)
    if not 0.0 <= real("minimum", minimum) <= 1.0:
        raise OptionError(f"minimum is an overlap, 0 to 1, not {minimum}.")
    draws, walks = requested.given(null, "counts [2, draws]", kinds=2)
    if null_model not in {"signs", "walks"}:
        raise OptionError(f'null_model is "signs" or "walks" here, not {null_model!r}.')
    if follow not in FOLLOWED:
        raise OptionError(f'follow is "overlap" or "rank", not {written(follow)}.')
    known_by = MEMORY if follow == "overlap" else 1
    seed, steps = seed_of(seed), whole("steps", steps, 3, MOST_STEPS)
    memory = Memory(momentum, nesterov, weight_decay)
    found: list[Directions | None] = []
    for place, step in enumerate(rows.one_by_one()):
        w = as_matrices(step[None], rows.shape)
        if not w.any():
            raise TrajectoryError(f"the weights are zero at step {rows.steps[place]}: select other steps.")
        u, s, v = leading_triples(w, min(m, k + MARGIN))
        found.append(
            Directions(
                s[0], np.zeros(len(s[0]), dtype=np.int64), u[0].astype(np.float32), v[0].astype(np.float32)
            )
        )
    tracks = follow_directions(found, minimum, memory=known_by)
    events = [
        {
            "step": rows.steps[event.place],
            "up": event.track,
            "down": event.other,
            "rank": int(tracks.ranks[event.place, event.track]),
        }
        for event in tracks.events
        if event.kind == "crossing" and tracks.ranks[event.place, event.track] < k
    ]
    places = thinned(len(rows), steps)
    compared = tracks
    if len(places) < len(rows):
        compared = follow_directions([found[place] for place in places], minimum, memory=known_by)
    if walks is None:
        walks = np.zeros((2, 0))
        if draws:
            motions = null_motions(rows, places, seed, memory, model=null_model)
            walks = walk_crossings(motions, k, draws, minimum, progress, known_by)
    table = pd.DataFrame(events, columns=["step", "up", "down", "rank"])
    coordinates = {**rows.coordinates, "direction": np.arange(tracks.ranks.shape[1])}
    dims = ("step", "direction")
    return Crossings(
        values=xr.DataArray(tracks.values, dims=dims, coords=coordinates, name="singular_value"),
        ranks=xr.DataArray(tracks.ranks, dims=dims, coords=coordinates, name="rank"),
        table=table,
        leading=xr.DataArray(
            (tracks.ranks == 0).argmax(axis=1), dims="step", coords=rows.coordinates, name="leading"
        ),
        chance=compare_crossings(compared.ranks, k, walks),
    )
