"""What an optimizer does to a walk: momentum makes updates remember each other, weight decay makes weights forget.

Noise that goes through momentum beta comes out with correlation beta^lag: such a walk gets farther than one of
independent updates without any drift. Weight decay pulls pure noise inwards, which looks like a drift towards zero. A
null for either has to do the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
from jaxtyping import Float64

from eigentrail._numbers import written
from eigentrail.errors import OptionError, TrajectoryError


@dataclass(frozen=True)
class Memory:
    """The correlation of the updates that an optimizer makes of uncorrelated gradients.

    Attributes:
        momentum: beta in [0, 1), Adam's beta_1: the correlation falls by this factor from step to step.
        nesterov: whether the momentum is Nesterov's, with which an update holds its own gradient with more weight.
        weight_decay: the share of themselves that weights lose at each step, in [0, 1): the rate times torch's
            `weight_decay` for AdamW and plain SGD, that over 1 - momentum for SGD with momentum; 2 mu lambda where the
            loss has lambda ||w||^2 (S1).
    """

    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        number = isinstance(self.momentum, (int, float, np.floating)) and not isinstance(self.momentum, bool)
        if not number or not 0.0 <= self.momentum < 1.0:
            raise OptionError(f"momentum is the optimizer's, from 0 to below 1, not {self.momentum!r}.")
        if not isinstance(self.nesterov, (bool, np.bool_)):
            raise OptionError(f"nesterov is True or False, not {written(self.nesterov)}.")
        decay = self.weight_decay
        number = isinstance(decay, (int, float, np.floating)) and not isinstance(decay, bool)
        if not number or not 0.0 <= decay < 1.0:
            raise OptionError(
                f"weight_decay is the share that weights lose at each step, from 0 to below 1, not {written(decay)}."
            )

    def kept(self, times: Float64[np.ndarray, " t"]) -> Float64[np.ndarray, " u"]:
        """Give what is left of weights between given steps when weight decay alone acts.

        Args:
            times: [T] steps of the optimizer, ascending.

        Returns:
            [T - 1] shares, 1 without weight decay.
        """
        return np.asarray((1.0 - self.weight_decay) ** np.diff(np.asarray(times, dtype=np.float64)))

    @property
    def correlation(self) -> float:
        """The correlation of an update with the next one, divided by beta: 1, and less for Nesterov's momentum."""
        beta = self.momentum
        if not self.nesterov:
            return 1.0
        # An update is sum_j c_j g(t - j) with c_0 = 1 + beta and c_j = beta^(j + 1).
        own = (1.0 + beta) ** 2 + beta**4 / (1.0 - beta**2)
        return float(((1.0 + beta) * beta + beta**4 / (1.0 - beta**2)) / own)

    def colour(self, times: Float64[np.ndarray, " t"]) -> Float64[np.ndarray, "u u"] | None:
        """Give the factor L of the covariance L L^T of the motion between given steps.

        With s(h) = h + 2 c sum_(j < h) (h - j) beta^j, the mean square of h updates of unit size, two stretches [a, b]
        and [d, e] have the covariance (s(|e - a|) + s(|d - b|) - s(|d - a|) - s(|e - b|)) / 2.

        Args:
            times: [T] steps of the optimizer, ascending.

        Returns:
            [T - 1, T - 1] lower triangular; None where the updates are independent.
        """
        beta = self.momentum
        if beta == 0.0:
            return None
        h = np.abs(times[:, None] - times[None, :])
        spread = h + 2.0 * self.correlation * (
            h * beta / (1.0 - beta) - beta * (1.0 - beta**h) / (1.0 - beta) ** 2
        )
        return np.asarray(scipy.linalg.cholesky(-0.5 * np.diff(np.diff(spread, axis=0), axis=1), lower=True))

    def colour_of(self, steps: Any) -> Float64[np.ndarray, "u u"] | None:
        """Give `colour` for the labels of a trajectory.

        Args:
            steps: [T] labels of the steps.

        Returns:
            As of `colour`.

        Raises:
            TrajectoryError: there is momentum and the labels are not ascending.
        """
        if self.momentum == 0.0:
            return None
        times = np.asarray(steps, dtype=np.float64)
        if not (np.diff(times) > 0).all():
            raise TrajectoryError("the steps are not ascending: sort the trajectory by its steps.")
        return self.colour(times)


#: Plain gradient descent: neither momentum nor weight decay.
NO_MEMORY = Memory()


def whitened(
    products: Float64[np.ndarray, "u u"], colour: Float64[np.ndarray, "u u"] | None
) -> Float64[np.ndarray, "u u"]:
    """Take the memory out of updates: the inner products of L^-1 U.

    Args:
        products: [U, U] inner products of the updates U.
        colour: L, see `Memory.colour`; None for none.

    Returns:
        [U, U].
    """
    if colour is None:
        return products
    half = scipy.linalg.solve_triangular(colour, products, lower=True)
    return np.asarray(scipy.linalg.solve_triangular(colour, half.T, lower=True))
