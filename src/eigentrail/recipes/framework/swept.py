"""A study that is a grid of trainings: what a sweep that comes along answers of a source's network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from eigentrail.findings import Claim
from eigentrail.recipes.framework.observation import Observation
from eigentrail.recipes.framework.study import Study


@dataclass(frozen=True)
class SweptClaim:
    """A claim about what an axis of a sweep does, with a value for every seed.

    Attributes:
        claim: the source's claim, of the measure at the last value of the axis minus that at the first.
        axis: the axis.
        measure: the measure.
    """

    claim: Claim
    axis: str
    measure: str

    def observe(self, by_seed: Float64[np.ndarray, "s k"], levels: tuple[object, ...]) -> Observation:
        """Take the claim's values from what was measured.

        Args:
            by_seed: the measure of each seed at each value of the axis, averaged over other axes.
            levels: the values of the axis.

        Returns:
            The observation.
        """
        found = by_seed[:, -1] - by_seed[:, 0] if by_seed.size else np.zeros(0)
        means = by_seed.mean(axis=0) if len(by_seed) else []
        told = ", ".join(f"{value} gives {mean:.4g}" for value, mean in zip(levels, means, strict=True))
        words = (
            f"{self.axis.replace('_', ' ')} {told}" if told else "no seed has runs at all values of the axis"
        )
        return Observation(self.claim, tuple(float(one) for one in found), (), words)


@dataclass(frozen=True, kw_only=True)
class SweptStudy(Study):
    """A study whose trainings are those of a sweep that comes along; its preset is what each begins with.

    Attributes:
        sweep: the name of the sweep's file.
        answers: claims of the source that the sweep decides.
    """

    sweep: str
    answers: tuple[SweptClaim, ...] = ()
