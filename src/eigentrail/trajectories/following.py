"""Spikes followed as individuals over steps, and what happens to them: births, deaths, crossings."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from jaxtyping import Float32, Float64, Int64
from scipy.optimize import linear_sum_assignment

from eigentrail.trajectories.directions import Directions, concatenate
from eigentrail.trajectories.leading_vectors import Follow

#: Overlaps of earlier appearances with all directions of a step: [h, s]. Appearances are numbered through all steps.
_Overlaps: TypeAlias = Callable[[Int64[np.ndarray, " h"], int], Float64[np.ndarray, "h s"]]

#: The smallest overlap |u_i . u_j| |v_i . v_j| at which two spikes are taken for the same one.
MINIMUM_OVERLAP = 0.3
#: How many analysed steps a spike may be gone and still be the same when it comes back, and how far back a spike is
#: looked for.
PATIENCE = 4
#: Over how many of its last appearances the overlaps of a spike are averaged when all are assigned. Where two spikes of
#: nearly equal strength pass each other their vectors mix and exchange, and only the time before tells who is who.
MEMORY = 8


@dataclass(frozen=True)
class Event:
    """Something that happened to a followed spike.

    Attributes:
        place: the analysed step at which it is first seen, as a number into the sequence.
        kind: "birth", "death" or "crossing".
        track: the spike; of a crossing the one that went up.
        other: the one that went down; -1 for births and deaths.
    """

    place: int
    kind: str
    track: int
    other: int = -1


@dataclass(frozen=True)
class Tracks:
    """Followed spikes.

    Attributes:
        values: [T, K] singular value of each spike at each analysed step, NaN where it is none.
        ranks: [T, K] its place among the spikes of the step, 0 the largest; -1 where it is none.
        births: [K] number of the step where it was first seen.
        deaths: [K] number of the step where it is first gone for good; -1 if it lives at the end.
        events: in their order.
    """

    values: Float64[np.ndarray, "t k"]
    ranks: Int64[np.ndarray, "t k"]
    births: Int64[np.ndarray, " k"]
    deaths: Int64[np.ndarray, " k"]
    events: tuple[Event, ...]


@dataclass
class _Track:
    places: list[tuple[int, int]] = field(default_factory=list)
    missed: list[int] = field(default_factory=list)


def follow(
    found: Sequence[Directions | None], minimum: float = MINIMUM_OVERLAP, by: Follow = "overlap"
) -> Tracks:
    """Follow spikes from step to step, by the overlap of their singular vectors unless ranks are asked for.

    At each step all spikes are assigned at once so that the sum of the overlaps with the followed ones, each averaged
    over its last 8 appearances, is the largest possible. A pair needs the minimum overlap with one of the last 4.

    Args:
        found: the spikes of each analysed step; None for a step that could not be analysed, which ends nothing.
        minimum: the smallest overlap of a pair.
        by: "overlap"; "rank" for the spike of a rank at each step, of which none ever crosses another.

    Returns:
        The followed spikes, in the order of their births and ranks.
    """
    counts = [None if one is None else len(one) for one in found]
    starts = _starts(counts)

    def overlaps(history: Int64[np.ndarray, " h"], now: int) -> Float64[np.ndarray, "h s"]:
        places = np.searchsorted(starts, history, side="right") - 1
        ranks = history - starts[places]
        if by == "rank":
            return np.asarray(ranks[:, None] == np.arange(counts[now] or 0), dtype=np.float64)
        before = concatenate([_one(found[place], rank) for place, rank in zip(places, ranks, strict=True)])
        return before.overlaps(_known(found[now]))

    tracks, deaths = _assigned(counts, overlaps, minimum)
    return _collect(found, tracks, deaths)


def follow_ranks(
    left: Float32[np.ndarray, "t k n"], right: Float32[np.ndarray, "t k m"], minimum: float = MINIMUM_OVERLAP
) -> Int64[np.ndarray, "t d"]:
    """Follow singular directions as `follow` does, of one matrix with equally many at each step.

    Args:
        left: [T, k, rows] unit vectors u, the largest singular value first.
        right: [T, k, cols] unit vectors v.
        minimum: the smallest overlap of a pair.

    Returns:
        [T, D] the place of each direction among the singular values, 0 the largest; -1 where it is not among the k.
    """
    count, k, _ = left.shape
    lefts, rights = left.reshape(count * k, -1), right.reshape(count * k, -1)

    def overlaps(history: Int64[np.ndarray, " h"], now: int) -> Float64[np.ndarray, "h s"]:
        along = (lefts[history] @ left[now].T) * (rights[history] @ right[now].T)
        return np.asarray(np.abs(along), dtype=np.float64)

    tracks, _ = _assigned([left.shape[1]] * len(left), overlaps, minimum)
    return _ranks(len(left), tracks)


def _one(found: Directions | None, rank: int) -> Directions:
    one, only = _known(found), slice(rank, rank + 1)
    return Directions(one.values[only], one.matrix[only], one.long[only], one.short[only])


def _known(found: Directions | None) -> Directions:
    assert found is not None
    return found


def _assigned(
    counts: Sequence[int | None], overlaps: _Overlaps, minimum: float
) -> tuple[list[_Track], dict[int, int]]:
    """Assign the directions of each step, `counts` of them, to those before; give the tracks and their deaths."""
    starts = _starts(counts)
    tracks: list[_Track] = []
    # Of each direction that is still followed: its number, and its last appearances, the latest in the last column.
    active: list[int] = []
    seen = np.empty((0, MEMORY), dtype=np.int64)
    deaths: dict[int, int] = {}
    for place, count in enumerate(counts):
        if count is None:
            continue
        taken = np.full(count, -1)
        if active and count:
            score = _scores(seen, place, overlaps, minimum)
            rows, columns = linear_sum_assignment(score, maximize=True)
            matched = score[rows, columns] > 0
            taken[columns[matched]] = rows[matched]
        born = np.flatnonzero(taken < 0)
        if len(born):
            taken[born] = len(active) + np.arange(len(born))
            active += range(len(tracks), len(tracks) + len(born))
            tracks += [_Track() for _ in born]
            seen = np.concatenate([seen, np.full((len(born), MEMORY), -1)])
        seen[taken, :-1] = seen[taken, 1:]
        seen[taken, -1] = starts[place] + np.arange(count)
        for rank, row in enumerate(taken.tolist()):
            track = tracks[active[row]]
            track.places.append((place, rank))
            if track.missed:
                track.missed.clear()
        if count == len(active):
            continue
        alive = np.zeros(len(active), dtype=bool)
        alive[taken] = True
        for row in np.flatnonzero(~alive):
            track = tracks[active[row]]
            track.missed.append(place)
            if len(track.missed) >= PATIENCE:
                deaths[active[row]] = track.missed[0]
            else:
                alive[row] = True
        if not alive.all():
            active = [number for number, there in zip(active, alive, strict=True) if there]
            seen = seen[alive]
    for number in active:
        if tracks[number].missed:
            deaths[number] = tracks[number].missed[0]
    return tracks, deaths


def _starts(counts: Sequence[int | None]) -> Int64[np.ndarray, " t"]:
    """Give the number of the first appearance at each step, counted through all steps."""
    known = np.array([0 if one is None else one for one in counts], dtype=np.int64)
    return np.cumsum(known) - known


def _scores(
    seen: Int64[np.ndarray, "a m"], now: int, overlaps: _Overlaps, minimum: float
) -> Float64[np.ndarray, "a s"]:
    known = seen >= 0
    found = overlaps(seen[known], now)
    if known.all():
        each = found.reshape(*seen.shape, -1)
    else:
        each = np.zeros((*seen.shape, found.shape[1]))
        each[known] = found
    mean = each.sum(axis=1) / known.sum(axis=1)[:, None]
    best = each[:, -PATIENCE:].max(axis=1)
    return np.where(best >= minimum, mean, 0.0)


def _ranks(steps: int, tracks: list[_Track]) -> Int64[np.ndarray, "t k"]:
    ranks = np.full((steps, len(tracks)), -1, dtype=np.int64)
    for number, track in enumerate(tracks):
        for place, rank in track.places:
            ranks[place, number] = rank
    return ranks


def _collect(found: Sequence[Directions | None], tracks: list[_Track], deaths: dict[int, int]) -> Tracks:
    values = np.full((len(found), len(tracks)), np.nan)
    ranks = _ranks(len(found), tracks)
    for number, track in enumerate(tracks):
        for place, rank in track.places:
            values[place, number] = _known(found[place]).values[rank]
    births = np.array([track.places[0][0] for track in tracks], dtype=np.int64)
    ends = np.array([deaths.get(number, -1) for number in range(len(tracks))], dtype=np.int64)
    analysed = [place for place, step in enumerate(found) if step is not None]
    events = _events(ranks, births, ends, analysed)
    return Tracks(values, ranks, births, ends, tuple(events))


def _events(
    ranks: Int64[np.ndarray, "t k"],
    births: Int64[np.ndarray, " k"],
    deaths: Int64[np.ndarray, " k"],
    analysed: list[int],
) -> list[Event]:
    # What is there at the first step was not seen to be born.
    first = analysed[0] if analysed else 0
    events = [Event(int(place), "birth", t) for t, place in enumerate(births) if place > first]
    events += [Event(int(place), "death", t) for t, place in enumerate(deaths) if place >= 0]
    for before, now in itertools.pairwise(analysed):
        both = np.flatnonzero((ranks[before] >= 0) & (ranks[now] >= 0))
        old, new = ranks[before, both], ranks[now, both]
        up = (old[:, None] > old[None, :]) & (new[:, None] < new[None, :])
        events += [
            Event(now, "crossing", int(both[i]), int(both[j])) for i, j in zip(*np.nonzero(up), strict=True)
        ]
    order = {"birth": 0, "crossing": 1, "death": 2}
    return sorted(events, key=lambda e: (e.place, order[e.kind], e.track, e.other))
