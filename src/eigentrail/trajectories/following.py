"""Spikes followed as individuals over steps, and what happens to them: births, deaths, crossings."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from eigentrail.trajectories.assigning import MEMORY, Assigned, assign, first_appearances
from eigentrail.trajectories.directions import Directions, concatenate
from eigentrail.trajectories.leading_vectors import Follow

#: The smallest overlap |u_i . u_j| |v_i . v_j| at which two spikes are taken for the same one.
MINIMUM_OVERLAP = 0.3


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


def follow(
    found: Sequence[Directions | None],
    minimum: float = MINIMUM_OVERLAP,
    by: Follow = "overlap",
    memory: int = MEMORY,
) -> Tracks:
    """Follow spikes from step to step, by the overlap of their singular vectors unless ranks are asked for.

    At each step all spikes are assigned at once so that the sum of the overlaps with the followed ones, each averaged
    over its last 8 appearances, is the largest possible. A pair needs the minimum overlap with one of the last 4.

    Args:
        found: the spikes of each analysed step; None for a step that could not be analysed, which ends nothing.
        minimum: the smallest overlap of a pair.
        by: "overlap"; "rank" for the spike of a rank at each step, of which none ever crosses another.
        memory: how many of its last appearances a spike is known by; with 1 only the step before tells who is who.

    Returns:
        The followed spikes, in the order of their births and ranks.
    """
    counts = [None if one is None else len(one) for one in found]
    starts = first_appearances(counts)

    def overlaps(
        seen: Int64[np.ndarray, "b a h"], known: Bool[np.ndarray, "b a h"], now: int
    ) -> Float64[np.ndarray, "b a h s"]:
        history = seen[known]
        places = np.searchsorted(starts, history, side="right") - 1
        ranks = history - starts[places]
        along = np.zeros((*seen.shape, counts[now] or 0))
        if by == "rank":
            along[known] = ranks[:, None] == np.arange(along.shape[-1])
        elif len(history):
            pairs = zip(places.tolist(), ranks.tolist(), strict=True)
            along[known] = concatenate([_one(found[place], rank) for place, rank in pairs]).overlaps(
                _known(found[now])
            )
        return along

    return _collect(found, assign(counts, overlaps, minimum, memory=memory))


def follow_ranks(
    left: Float32[np.ndarray, "b t k n"],
    right: Float32[np.ndarray, "b t k m"],
    minimum: float = MINIMUM_OVERLAP,
    memory: int = MEMORY,
) -> list[Int64[np.ndarray, "t d"]]:
    """Follow singular directions as `follow` does, of many matrices with equally many at each step.

    Args:
        left: [b, T, k, rows] unit vectors u, the largest singular value first.
        right: [b, T, k, cols] unit vectors v.
        minimum: the smallest overlap of a pair.
        memory: as of `follow`.

    Returns:
        Of each of the b matrices [T, D], the place of each direction among the singular values, 0 the largest; -1 where
        it is not among the k.
    """
    b, steps, k, _ = left.shape
    lefts, rights = left.reshape(b, steps * k, -1), right.reshape(b, steps * k, -1)
    each = np.arange(b)[:, None]

    def overlaps(
        seen: Int64[np.ndarray, "b a h"], known: Bool[np.ndarray, "b a h"], now: int
    ) -> Float64[np.ndarray, "b a h s"]:
        places = np.where(known, seen, 0).reshape(b, -1)
        along = lefts[each, places] @ left[:, now].swapaxes(1, 2)
        along *= rights[each, places] @ right[:, now].swapaxes(1, 2)
        found = np.abs(along).astype(np.float64).reshape(*seen.shape, k)
        found[~known] = 0.0
        return np.asarray(found)

    found = assign([k] * steps, overlaps, minimum, b, memory)
    return [found.ranks(one) for one in range(b)]


def _one(found: Directions | None, rank: int) -> Directions:
    one, only = _known(found), slice(rank, rank + 1)
    return Directions(one.values[only], one.matrix[only], one.long[only], one.short[only])


def _known(found: Directions | None) -> Directions:
    assert found is not None
    return found


def _collect(found: Sequence[Directions | None], same: Assigned) -> Tracks:
    ranks = same.ranks(0)
    values = np.full(ranks.shape, np.nan)
    for place, step in enumerate(found):
        if step is not None:
            there = ranks[place] >= 0
            values[place, there] = step.values[ranks[place, there]]
    births = np.array([np.flatnonzero(column >= 0)[0] for column in ranks.T], dtype=np.int64)
    ends = np.array([same.deaths[0].get(number, -1) for number in range(ranks.shape[1])], dtype=np.int64)
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
