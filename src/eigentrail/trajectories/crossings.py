"""Steps where followed singular directions change places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from eigentrail._numbers import real
from eigentrail.errors import OptionError, TrajectoryError
from eigentrail.trajectories.directions import Directions
from eigentrail.trajectories.following import MINIMUM_OVERLAP, follow
from eigentrail.trajectories.geodesic import as_matrices
from eigentrail.trajectories.leading_vectors import leading_triples
from eigentrail.trajectories.rows import open_rows

# Directions are followed below the k-th too, so that one that leaves the first k is not lost.
_MARGIN = 4


@dataclass(frozen=True)
class Crossings:
    """Leading singular directions followed by their overlaps.

    Attributes:
        values: singular value of each followed direction [step, direction]; NaN where it is not among the leading.
        ranks: its place among the singular values, 0 the largest; -1 where it is not among the leading.
        table: a row for each exchange of places among the first k: `step`, where it is first seen, `up` and `down`,
            the directions, `rank`, the better of the two places.
        leading: [step] the direction with the largest singular value.
    """

    values: xr.DataArray
    ranks: xr.DataArray
    table: pd.DataFrame
    leading: xr.DataArray

    @property
    def leading_changes(self) -> np.ndarray[Any, Any]:
        """The steps at which another direction becomes the leading one."""
        changed = np.flatnonzero(np.diff(self.leading.values) != 0) + 1
        return np.asarray(self.leading["step"].values[changed])


def crossings(x: Any, k: int = 4, *, minimum: float = MINIMUM_OVERLAP) -> Crossings:
    """Find crossings of the k leading singular values, and which direction leads when.

    Directions are assigned from step to step by |u . u'| |v . v'|, all at once, never by rank. Inside a bulk of
    noise vectors mix at every step: exchanges mean something for values that stand out of it.

    Args:
        x: [T, out, ...] weights over steps.
        k: how many leading values to look at.
        minimum: the smallest overlap of a direction with itself one step later.

    Returns:
        The followed directions and their crossings.

    Raises:
        OptionError: k or `minimum` is outside what it may be.
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
    if not 0.0 <= real("minimum", minimum) <= 1.0:
        raise OptionError(f"minimum is an overlap, 0 to 1, not {minimum}.")
    found: list[Directions | None] = []
    for place in range(len(rows)):
        w = as_matrices(rows.read(place, place + 1), rows.shape)
        if not w.any():
            raise TrajectoryError(f"the weights are zero at step {rows.steps[place]}: select other steps.")
        u, s, v = leading_triples(w, min(m, k + _MARGIN))
        found.append(
            Directions(
                s[0], np.zeros(len(s[0]), dtype=np.int64), u[0].astype(np.float32), v[0].astype(np.float32)
            )
        )
    tracks = follow(found, minimum)
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
    )
