"""Directions of each step assigned to those of the steps before, in many sequences at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float64, Int64
from scipy.optimize import linear_sum_assignment

#: Overlaps of earlier appearances with all directions of a step: those of `seen` [b, a, m] that are `known`, at a step,
#: [b, a, m, s], 0 for the others. Appearances are numbered through all steps.
Overlaps: TypeAlias = Callable[
    [Int64[np.ndarray, "b a m"], Bool[np.ndarray, "b a m"], int], Float64[np.ndarray, "b a m s"]
]

#: How many analysed steps a direction may be gone and still be the same when it comes back, and how far back it is
#: looked for.
PATIENCE = 4
#: Over how many of its last appearances the overlaps of a direction are averaged when all are assigned. Where two of
#: nearly equal strength pass each other their vectors mix and exchange, and only the time before tells who is who.
MEMORY = 8


@dataclass(frozen=True)
class Assigned:
    """Which directions of successive steps are the same ones, in b sequences.

    Attributes:
        numbers: for each step [b, s], the number of each direction in its sequence, counted in the order of birth;
            None for a step that is unknown.
        born: [b] how many there are.
        deaths: of each sequence, the steps at which directions are first gone for good, by their numbers.
    """

    numbers: list[Int64[np.ndarray, "b s"] | None]
    born: Int64[np.ndarray, " b"]
    deaths: list[dict[int, int]]

    def ranks(self, sequence: int) -> Int64[np.ndarray, "t k"]:
        """Give the places of the directions of one sequence.

        Args:
            sequence: its place among the b.

        Returns:
            [T, K] the place of each direction at each step, -1 where it has none.
        """
        ranks = np.full((len(self.numbers), int(self.born[sequence])), -1, dtype=np.int64)
        for step, numbers in enumerate(self.numbers):
            if numbers is not None:
                ranks[step, numbers[sequence]] = np.arange(numbers.shape[1])
        return ranks


def first_appearances(counts: Sequence[int | None]) -> Int64[np.ndarray, " t"]:
    """Number the appearances through all steps.

    Args:
        counts: how many directions each step has; None where it is unknown.

    Returns:
        [T] the number of the first one of each step.
    """
    known = np.array([0 if one is None else one for one in counts], dtype=np.int64)
    return np.cumsum(known) - known


def assign(
    counts: Sequence[int | None],
    overlaps: Overlaps,
    minimum: float,
    sequences: int = 1,
    memory: int = MEMORY,
) -> Assigned:
    """Assign the directions of each step to those before.

    At each step all are assigned at once so that the sum of the overlaps with the followed ones, each averaged over its
    last appearances, is the largest possible. A pair needs the minimum overlap with one of the last few.

    Args:
        counts: [T] how many directions each step has, the same in all sequences; None where it is unknown.
        overlaps: gives the overlaps of earlier appearances.
        minimum: the smallest overlap of a pair.
        sequences: b.
        memory: how many of its last appearances a direction is known by; with 1 it is gone once it is missed.

    Returns:
        Which are the same.
    """
    starts = first_appearances(counts)
    followed = _Followed(sequences, memory)
    numbers: list[Int64[np.ndarray, "b s"] | None] = []
    for place, count in enumerate(counts):
        if count is None:
            numbers.append(None)
            continue
        taken = _matched(followed, count, overlaps, minimum, place)
        numbers.append(followed.seen_at(place, taken, int(starts[place])))
    return Assigned(numbers, followed.born, followed.ended())


class _Followed:
    """The directions that are still followed, of each sequence in the first `active` rows, in the order of birth."""

    def __init__(self, sequences: int, memory: int) -> None:
        self._patience = min(PATIENCE, memory)
        self.active = np.zeros(sequences, dtype=np.int64)
        self.born = np.zeros(sequences, dtype=np.int64)
        # The last appearances of each, the latest in the last column; -1 where there were fewer.
        self.seen = np.empty((sequences, 0, memory), dtype=np.int64)
        self._number = np.empty((sequences, 0), dtype=np.int64)
        # At how many steps in a row it has been missed, and since which.
        self._missed = np.empty((sequences, 0), dtype=np.int64)
        self._since = np.empty((sequences, 0), dtype=np.int64)
        self._deaths: list[dict[int, int]] = [{} for _ in range(sequences)]

    def seen_at(self, place: int, taken: Int64[np.ndarray, "b s"], start: int) -> Int64[np.ndarray, "b s"]:
        """Go on by a step, whose directions are those of the rows `taken`, -1 for new ones; give their numbers."""
        if (taken < 0).any():
            self._begin(taken)
        each = np.arange(len(taken))[:, None]
        self.seen[each, taken, :-1] = self.seen[each, taken, 1:]
        self.seen[each, taken, -1] = start + np.arange(taken.shape[1])
        numbers = self._number[each, taken]
        gone = np.arange(self.seen.shape[1]) < self.active[:, None]
        gone[each, taken] = False
        self._missed[each, taken] = 0
        if gone.any():
            self._since[gone & (self._missed == 0)] = place
            self._missed[gone] += 1
            dead = gone & (self._missed >= self._patience)
            for one in np.flatnonzero(dead.any(axis=1)):
                self._end(int(one), dead[one])
        return np.asarray(numbers)

    def ended(self) -> list[dict[int, int]]:
        """Give the deaths; what is missed at the end has died."""
        rows = np.arange(self.seen.shape[1]) < self.active[:, None]
        for one, row in zip(*np.nonzero(rows & (self._missed > 0)), strict=True):
            self._deaths[one][int(self._number[one, row])] = int(self._since[one, row])
        return self._deaths

    def _begin(self, taken: Int64[np.ndarray, "b s"]) -> None:
        new = taken < 0
        more = new.sum(axis=1)
        lacking = int((self.active + more).max()) - self.seen.shape[1]
        if lacking > 0:
            pad = ((0, 0), (0, lacking))
            self.seen = np.pad(self.seen, (*pad, (0, 0)), constant_values=-1)
            self._number, self._missed, self._since = (
                np.pad(one, pad) for one in (self._number, self._missed, self._since)
            )
        for one in np.flatnonzero(more):
            rows = self.active[one] + np.arange(more[one])
            taken[one, new[one]] = rows
            self._number[one, rows] = self.born[one] + np.arange(more[one])
            self._missed[one, rows] = 0
        self.active += more
        self.born += more

    def _end(self, one: int, dead: Bool[np.ndarray, " a"]) -> None:
        numbers, since = self._number[one], self._since[one]
        self._deaths[one].update(zip(numbers[dead].tolist(), since[dead].tolist(), strict=True))
        kept = np.flatnonzero(~dead[: self.active[one]])
        for held in (self.seen, self._number, self._missed, self._since):
            held[one, : len(kept)] = held[one, kept]
        self.seen[one, len(kept) :] = -1
        self.active[one] = len(kept)


def _matched(
    followed: _Followed, count: int, overlaps: Overlaps, minimum: float, place: int
) -> Int64[np.ndarray, "b s"]:
    """Choose for each direction of a step the row of the one that it is, -1 for none."""
    taken = np.full((len(followed.active), count), -1, dtype=np.int64)
    if not count or not followed.seen.shape[1]:
        return taken
    known = followed.seen >= 0
    each = overlaps(followed.seen, known, place)
    mean = each.sum(axis=2) / np.maximum(known.sum(axis=2), 1)[:, :, None]
    best = each[:, :, -PATIENCE:].max(axis=2)
    score = np.where(best >= minimum, mean, 0.0)
    # Where each one's largest score is with another direction, no assignment can have a larger sum.
    choice = score.argmax(axis=2)
    plain = followed.active == choice.shape[1]
    if choice.shape[1] == count:
        plain &= (np.sort(choice, axis=1) == np.arange(count)).all(axis=1) & (score.max(axis=2) > 0).all(
            axis=1
        )
        where = np.flatnonzero(plain)
        taken[where[:, None], choice[where]] = np.arange(count)
    else:
        plain[:] = False
    for one in np.flatnonzero(~plain):
        own = score[one, : followed.active[one]]
        rows, columns = linear_sum_assignment(own, maximize=True)
        matched = own[rows, columns] > 0
        taken[one, columns[matched]] = rows[matched]
    return taken
