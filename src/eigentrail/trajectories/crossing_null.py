"""How often leading singular directions change places in matrices that only walk at random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64, Int64

from eigentrail._progress import Progress, silent
from eigentrail.chance import LEVEL, Compared, compare, compare_drawn, percentile_of
from eigentrail.linalg.sharing import shared
from eigentrail.linalg.singular_triples import leading_triples
from eigentrail.linalg.subspace_iteration import SubspaceIteration
from eigentrail.trajectories.assigning import MEMORY
from eigentrail.trajectories.following import follow_ranks
from eigentrail.trajectories.geodesic_null import null_seconds
from eigentrail.trajectories.path_walks import Motions, blocks_of

#: Directions are followed below the k-th too, so that one that leaves the first k is not lost.
MARGIN = 4


@dataclass(frozen=True)
class CrossingChance:
    """How often leading directions change places, beside random walks of the weights.

    Attributes:
        steps: how many steps are compared; the walks have as many.
        k: how many leading places are looked at.
        exchanges: how often two directions exchange places among the first k.
        leading_changes: how often another direction becomes the leading one.
        exchanges_null: [draws] the exchanges of random walks; empty without a null.
        leading_null: [draws] their changes of the leading direction; empty without a null.
    """

    steps: int
    k: int
    exchanges: int
    leading_changes: int
    exchanges_null: Float64[np.ndarray, " d"]
    leading_null: Float64[np.ndarray, " d"]

    @property
    def exchanges_compared(self) -> Compared | None:
        """The exchanges beside those of random walks, against so many or more; None without a null."""
        return compare_drawn(self.exchanges, self.exchanges_null)

    @property
    def leading_compared(self) -> Compared | None:
        """The changes of the leading direction beside those of random walks; None without a null."""
        return compare_drawn(self.leading_changes, self.leading_null)

    @property
    def exchanges_percentile(self) -> float | None:
        """Where the exchanges lie among those of random walks, 0 to 100; None without a null."""
        return percentile_of(self.exchanges_compared)

    @property
    def leading_percentile(self) -> float | None:
        """The same of the changes of the leading direction."""
        return percentile_of(self.leading_compared)

    @property
    def walks(self) -> Float64[np.ndarray, "2 d"]:
        """Both counts of the walks, to be given as `null` for weights of the same shape and step norms."""
        return np.stack([self.exchanges_null, self.leading_null])

    @property
    def exchanges_p(self) -> tuple[float, float] | None:
        """Probabilities of so many exchanges or more, and of so many or fewer, by chance; None without a null."""
        return _tails(self.exchanges, self.exchanges_null)

    @property
    def leading_p(self) -> tuple[float, float] | None:
        """The same of the changes of the leading direction."""
        return _tails(self.leading_changes, self.leading_null)

    @property
    def verdict(self) -> str:
        """Whether directions change places more often than chance gives, in one sentence."""
        pairs = f"{self.exchanges or 'no'} pair{'' if self.exchanges == 1 else 's'}"
        change = "changes" if self.exchanges == 1 else "change"
        often = {0: "never", 1: "once"}.get(self.leading_changes, f"{self.leading_changes} times")
        seen = (
            f"At the {self.steps} steps compared with random walks {pairs} of the {self.k} leading directions {change} "
            f"places and the leading one changes {often}"
            if self.k > 1
            else f"At the {self.steps} steps compared with random walks the leading direction changes {often}"
        )
        if not self.exchanges_p or not self.leading_p:
            return f"{seen}, which says nothing without a null."
        both = (self.exchanges_p, self.leading_p) if self.k > 1 else (self.leading_p,)
        than = " and ".join(dict.fromkeys(_beside(one) for one in both))
        means = [float(self.exchanges_null.mean()), float(self.leading_null.mean())]
        return (
            f"{seen}, {than} than chance gives: walks with the same steps have "
            f"{' and '.join(f'{one:.3g}' for one in means[-len(both) :])} on average ({len(self.leading_null)} walks, "
            f"p = {' and '.join(f'{min(one):.2g}' for one in both)})."
        )


def _tails(count: int, walks: Float64[np.ndarray, " d"]) -> tuple[float, float] | None:
    # Many walks have the very same count: a percentile that counts equal ones half would find too much too often.
    return (compare(count, walks).p, compare(count, walks, "less").p) if len(walks) else None


def _beside(tails: tuple[float, float]) -> str:
    if tails[0] <= LEVEL:
        return "more often"
    return "less often" if tails[1] <= LEVEL else "neither more nor less often"


def compare_crossings(
    ranks: Int64[np.ndarray, "t d"], k: int, walks: Float64[np.ndarray, "2 d"]
) -> CrossingChance:
    """Set the crossings of followed directions beside those of random walks.

    Args:
        ranks: [T, D] the place of each direction, as of `follow_ranks`.
        k: how many leading places to look at.
        walks: [2, draws] counts of random walks, as of `walk_crossings`.

    Returns:
        Both counts with their percentiles.
    """
    return compare_counts(*count_crossings(ranks, k), len(ranks), k, walks)


def compare_counts(
    exchanges: int, leading_changes: int, steps: int, k: int, walks: Float64[np.ndarray, "2 d"]
) -> CrossingChance:
    """Set counts of crossings beside those of random walks.

    Args:
        exchanges: how often two directions exchange places among the first k.
        leading_changes: how often another direction becomes the leading one.
        steps: at how many steps.
        k: how many leading places were looked at.
        walks: [2, draws] counts of random walks, as of `walk_crossings`.

    Returns:
        Both counts with their percentiles.
    """
    return CrossingChance(
        steps=steps,
        k=k,
        exchanges=exchanges,
        leading_changes=leading_changes,
        exchanges_null=walks[0],
        leading_null=walks[1],
    )


def count_crossings(ranks: Int64[np.ndarray, "t d"], k: int) -> tuple[int, int]:
    """Count the exchanges among the first k places, and the changes of the leading direction.

    Args:
        ranks: [T, D] the place of each direction, 0 the largest; -1 where it has none.
        k: how many places to look at.

    Returns:
        How many pairs are, from one step to the next, the other way round, the upper one then among the first k; and
        at how many steps another direction leads.
    """
    before, now = ranks[:-1], ranks[1:]
    both = (before >= 0) & (now >= 0)
    risen = (before[:, :, None] > before[:, None, :]) & (now[:, :, None] < now[:, None, :])
    risen &= (both & (now < k))[:, :, None] & both[:, None, :]
    leading = (ranks == 0).argmax(axis=1)
    return int(risen.sum()), int((np.diff(leading) != 0).sum())


def walk_crossings(
    motions: Motions, k: int, draws: int, minimum: float, progress: Progress = silent, memory: int = MEMORY
) -> Float64[np.ndarray, "2 d"]:
    """Let weights walk, follow their leading directions, and count how often they change places.

    Args:
        motions: the walks, as of `null_motions`.
        k: how many leading places to look at.
        draws: how many walks.
        minimum: the smallest overlap of a direction with itself one step later.
        progress: is told of the walks done.
        memory: how many of its last appearances a direction is known by, as of the observed path.

    Returns:
        [2, draws] exchanges among the first k places, and changes of the leading direction.
    """
    shape = motions.shape
    kept = min(*shape, k + MARGIN)

    def counts(numbers: range) -> list[tuple[int, int]]:
        progress("crossings of random walks", numbers.start, draws)
        left, right = _followed(motions.drawn(numbers), kept)
        return [count_crossings(ranks, k) for ranks in follow_ranks(left, right, minimum, memory)]

    nbytes = 4 * (4 * shape[0] * shape[1] + motions.steps * kept * sum(shape))
    found = shared(counts, [(numbers,) for numbers in blocks_of(draws, nbytes)])
    return np.array([one for block in found for one in block], dtype=np.float64).reshape(-1, 2).T


def _followed(walks: Any, kept: int) -> tuple[Float32[np.ndarray, "b t k n"], Float32[np.ndarray, "b t k m"]]:
    solver = SubspaceIteration()
    left, right = [], []
    for w in walks:
        u, _, v = leading_triples(w, kept, solver)
        left.append(u.astype(np.float32))
        right.append(v.astype(np.float32))
    return np.stack(left, axis=1), np.stack(right, axis=1)


def crossing_seconds(shape: tuple[int, ...], steps: int, draws: int) -> float:
    """Estimate what the walks take, from measurements on one core of a server of 2023.

    Args:
        shape: rows and columns.
        steps: how many steps a path has.
        draws: how many walks.

    Returns:
        Seconds.
    """
    # Those of a geodesic's walks, and following several directions from step to step.
    return null_seconds(shape, steps, draws) + draws * steps * (1.3e-4 + 1.5e-7 * sum(shape))
