"""Scaled gradient descent on two factors: the same speed however uneven the singular values (Tong, Ma & Chi 2021)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from eigentrail.parsimony.initial import Matrix
from eigentrail.parsimony.masked import MaskedError

# As a share of the mean eigenvalue: keeps a factor that has lost a direction invertible.
_RIDGE = 1e-6
_FEWEST = 1e-4


class Polished(NamedTuple):
    """Two factors on their way.

    Attributes:
        step: how many steps were made.
        left: [rows, k].
        right: [k, columns].
        loss: 1/2 ||Omega o (left right - Phi)||_F^2.
    """

    step: int
    left: Matrix
    right: Matrix
    loss: float


def polish(left: Matrix, right: Matrix, loss: MaskedError, steps: int) -> Iterator[Polished]:
    """Descend on both factors, each gradient scaled by the inverse Gram matrix of the other factor.

    The rate is half of what full observation would allow; a step that raises the loss is taken back and the rate
    halved, so that the loss never rises.

    Args:
        left: [rows, k].
        right: [k, columns].
        loss: on the observed entries.
        steps: at most so many.

    Yields:
        The factors at step 0, 1, ...
    """
    rate = 0.5 / loss.observed.share
    least = _FEWEST * rate
    value, (by_right, by_left) = loss([right, left])
    yield Polished(0, left, right, value)
    for step in range(1, steps + 1):
        toward_left = _scaled(by_left.T, right @ right.T).T
        toward_right = _scaled(by_right, left.T @ left)
        while rate > least:
            next_left, next_right = left - rate * toward_left, right - rate * toward_right
            next_value, slopes = loss([next_right, next_left])
            if next_value <= value:
                break
            rate /= 2.0
        else:
            return
        left, right, value, (by_right, by_left) = next_left, next_right, next_value, slopes
        yield Polished(step, left, right, value)


def _scaled(slope: Matrix, gram: Matrix) -> Matrix:
    ridge = _RIDGE * float(np.trace(gram)) / len(gram) + np.finfo(np.float64).tiny
    return np.asarray(np.linalg.solve(gram + ridge * np.eye(len(gram)), slope), dtype=np.float64)
