"""A completion problem with a known answer, and how a network that descends on it is stopped and judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from eigentrail.errors import DivergenceError
from eigentrail.parsimony.compressed import completion_start, discrepant_rates
from eigentrail.parsimony.data import low_rank
from eigentrail.parsimony.descent import Descent, descend
from eigentrail.parsimony.initial import Matrix, initial_weights, stream
from eigentrail.parsimony.losses import product
from eigentrail.parsimony.masked import MaskedError
from eigentrail.parsimony.observations import observe

#: The error on unobserved entries at which a descent stops.
GOAL = 1e-2
# The error is looked at every so many steps.
_LOOK = 5
# Where so little of the loss is left, no more comes: the entries are fitted, whatever the others are.
_FITTED = 1e-9


class Reached(NamedTuple):
    """Where a descent ended.

    Attributes:
        iterations: that it took; all that it had where the goal was not reached, so that ratios are bounds.
        error: relative error on the unobserved entries, to the truth.
        truth: relative error on all entries, to the truth.
    """

    iterations: float
    error: float
    truth: float

    @property
    def recovered(self) -> bool:
        """Whether the goal was reached."""
        return self.error < GOAL


@dataclass(frozen=True)
class Problem:
    """A matrix of rank r, ||Phi||_2 = 1, of which a share is observed.

    Attributes:
        truth: Phi.
        mask: True where it is observed.
        rank: r.
        noise: standard deviation of an observed entry, in units of the root mean square of Phi.
        seed: of Phi, the mask and the noise.
    """

    truth: Matrix
    mask: np.ndarray[Any, np.dtype[np.bool_]]
    rank: int
    noise: float
    seed: int

    @classmethod
    def draw(cls, d: int, rank: int, share: float, seed: int, noise: float = 0.0) -> Problem:
        """Draw one: [d, d] of a rank, each entry observed with probability `share`."""
        mask = stream("mask", seed).random((d, d)) < share
        return cls(low_rank(d, d, rank, seed), mask, rank, noise, seed)

    def loss(self) -> MaskedError:
        """The loss on the observed entries."""
        spread = self.noise * float(np.sqrt(np.mean(self.truth**2)))
        drawn = spread * stream("noise", self.seed).standard_normal(self.truth.shape)
        return MaskedError(observe(self.truth + drawn, self.mask))

    def train(
        self, start: list[Matrix], steps: int, gamma: float | None = None, rate: float = 1.0
    ) -> Reached:
        """Descend until the error on unobserved entries is below the goal, or the observed ones are fitted.

        Args:
            start: the layers of a full, narrow or compressed network; all go through the same descent.
            steps: at most so many.
            gamma: factor on the rate of the outer layers of a compressed network; None for another network.
            rate: eta.

        Returns:
            The iterations and errors; infinite errors where it diverged.
        """
        rates = None if gamma is None else discrepant_rates(len(start) - 2, gamma)
        unseen, first = ~self.mask, 0.0
        reached = Reached(float(steps), float("inf"), float("inf"))
        try:
            for state in descend(start, self.loss(), Descent(rate, rates=rates), steps):
                first = first or state.loss
                if state.step % _LOOK and state.step != steps:
                    continue
                gap = product(state.weights) - self.truth
                error, truth = (
                    float(np.linalg.norm(gap[part]) / np.linalg.norm(self.truth[part]))
                    for part in (unseen, slice(None))
                )
                reached = Reached(float(steps), error, truth)
                if reached.recovered:
                    return reached._replace(iterations=float(state.step))
                if state.loss < _FITTED * first:
                    break
        except DivergenceError:
            return Reached(float(steps), float("inf"), float("inf"))
        return reached

    def plain(self, width: int, depth: int = 3, eps: float = 0.01) -> list[Matrix]:
        """A network of one width without compression: d for the full one, 2r for the narrow one."""
        d = len(self.truth)
        return initial_weights([d, *[width] * (depth - 1), d], eps, seed=self.seed)

    def compressed(self, rank: int, depth: int = 3, eps: float = 0.01) -> list[Matrix]:
        """The compressed network for a rank estimate."""
        return completion_start(self.loss().observed, rank, depth, eps, self.seed)
