"""S3's network, and those on which the law of parsimony is tried: with momentum, on other data, with ReLU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from eigentrail.parsimony.data import orthogonal_classes
from eigentrail.parsimony.descent import Descent
from eigentrail.parsimony.initial import Matrix, initial_weights
from eigentrail.parsimony.invariant import InvariantSubspace, invariant_subspace
from eigentrail.parsimony.losses import SquaredError

#: r, the number of classes.
RANK = 3
#: eta of S3's figures.
RATE = 0.01
#: How many steps they show.
STEPS = 2000
# Samples that are not whitened have a Gram matrix of norm 4.
_NOT_WHITENED = 0.2


class Begun(NamedTuple):
    """A network before its first step.

    Attributes:
        weights: W_1(0), ..., W_L(0).
        loss: of the data.
        settings: of the descent.
        subspace: the invariant one of these weights and this data.
    """

    weights: list[Matrix]
    loss: SquaredError
    settings: Descent
    subspace: InvariantSubspace


@dataclass(frozen=True)
class LawNetwork:
    """What network learns from what data, and how.

    Attributes:
        name: what it is called in tables and figures.
        depth: L.
        eps: the scale of its orthogonal weights.
        narrow: whether it has as many outputs as classes (case 1 of the theorem) instead of as many as inputs (case 2).
        whitened: whether X X^T = I.
        relu: whether its layers but the last are followed by max(0, .).
        momentum: of the heavy ball; the rate is lowered by as much as it multiplies steps.
    """

    name: str = "whitened data"
    depth: int = 3
    eps: float = 0.1
    narrow: bool = False
    whitened: bool = True
    relu: bool = False
    momentum: float = 0.0

    @property
    def covered(self) -> bool:
        """Whether the theorem speaks of it."""
        return self.whitened and not self.relu

    def begin(self, dimension: int, seed: int) -> Begun:
        """Draw data and weights.

        Args:
            dimension: d.
            seed: of both.

        Returns:
            The network before its first step. Classes count as ten samples whatever d, as in the source's figures: that
            keeps their singular values, and with them the rate.
        """
        outputs = RANK if self.narrow else dimension
        data = orthogonal_classes(dimension, RANK, outputs, seed=seed, whitened=self.whitened)
        targets = data.targets * np.sqrt(10 * RANK / dimension)
        weights = initial_weights([dimension] * self.depth + [outputs], self.eps, seed=seed)
        rate = RATE * (1.0 - self.momentum) * (1.0 if self.whitened else _NOT_WHITENED)
        return Begun(
            weights,
            SquaredError(data.inputs, targets, self.relu),
            Descent(rate, 0.0, self.momentum),
            invariant_subspace(weights, targets @ data.inputs.T),
        )


#: The networks of S3's panels, and those where its theorem is silent.
NETWORKS = (
    LawNetwork(),
    LawNetwork("momentum .9", momentum=0.9),
    LawNetwork("not whitened", whitened=False),
    LawNetwork("ReLU", relu=True),
)
