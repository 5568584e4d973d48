"""How near weights are to a matrix of bounded rank, beside what S4's Lemma 3.2 and Theorem 3.3 promise.

A step of stochastic gradient descent with weight decay is W <- (1 - eta d) W - eta g, d being torch's `weight_decay`
(S4's 2 lambda). Unrolled over the last n steps, W_T = c W_{T-n} + (n gradients), c the product of the n factors
1 - eta d. The gradient of a batch of B samples is a sum of at most m B outer products, m = 1 for a dense layer, with
batch norm too: what is summed has rank at most m B n, so that some matrix of that rank is as near to W_T / ||W_T|| as
c ||W_{T-n}|| / ||W_T||. With momentum, older gradients come in through the velocity, and the bound does not hold.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from eigentrail.errors import OptionError


@dataclass(frozen=True)
class RankBound:
    """Distance to low rank at the last step, for each earlier step, beside Lemma 3.2's bound.

    Attributes:
        back: [R] how many steps n before the last one, ascending.
        rank: [R] m B n, at most the number of singular values M.
        distance: [R] the distance of W_T / ||W_T|| to the nearest matrix of that rank: the norm of the other singular
            values over that of all.
        bound: [R] c ||W_{T-n}|| / ||W_T||.
        norm_ratio: ||W_s|| / ||W_T|| of the last two records, to the power 1 / (T - s): the lemma's limit needs 1.
    """

    back: Int64[np.ndarray, " r"]
    rank: Int64[np.ndarray, " r"]
    distance: Float64[np.ndarray, " r"]
    bound: Float64[np.ndarray, " r"]
    norm_ratio: float


def rank_bound(
    steps: Int64[np.ndarray, " t"],
    norms: Float64[np.ndarray, " t"],
    values: Float64[np.ndarray, " m"],
    log_decay: Float64[np.ndarray, " t"],
    batch_size: int,
    patches: int = 1,
) -> RankBound:
    """Compute both sides of Lemma 3.2.

    Args:
        steps: [T] the recorded steps, ascending.
        norms: [T] Frobenius norms of the matrix at each.
        values: [M] singular values at the last step.
        log_decay: [T] the sum of log(1 - eta d) over the steps from the first record to each.
        batch_size: B.
        patches: m, 1 for a dense layer.

    Returns:
        Both sides for each earlier record.

    Raises:
        OptionError: there are fewer than two records, or the last matrix is zero.
    """
    if len(steps) < 2 or not norms[-1] > 0:
        raise OptionError("a rank bound needs two recorded steps, and weights that are not all zero")
    back = (steps[-1] - steps[:-1])[::-1]
    rank = np.minimum(patches * batch_size * back, len(values))
    squares = np.sort(np.asarray(values, dtype=np.float64))[::-1] ** 2
    # From the smallest on: a difference of sums would lose small tails in rounding.
    tails = np.concatenate([np.cumsum(squares[::-1])[::-1], [0.0]])
    bound = np.exp(log_decay[-1] - log_decay[:-1]) * norms[:-1] / norms[-1]
    ratio = float(norms[-2] / norms[-1]) ** (1.0 / float(steps[-1] - steps[-2]))
    return RankBound(
        back.astype(np.int64), rank.astype(np.int64), np.sqrt(tails[rank] / tails[0]), bound[::-1], ratio
    )


def theorem_bound(rate: float, weight_decay: float, batch_size: int, eps: float, patches: int = 1) -> float:
    """Compute Theorem 3.3's bound on the rank within a distance eps, m B log(2 / eps) / (2 mu lambda).

    Args:
        rate: eta, S4's mu.
        weight_decay: d, S4's 2 lambda.
        batch_size: B.
        eps: the distance.
        patches: m.

    Returns:
        The bound; infinite without decay.

    Raises:
        OptionError: eps is not between 0 and 2, or mu lambda is not below 1/2.
    """
    if not 0 < eps < 2:
        raise OptionError(f"Theorem 3.3 needs 0 < eps < 2, not {eps}")
    if rate * weight_decay >= 1:
        raise OptionError(f"Theorem 3.3 needs rate x decay below 1, not {rate * weight_decay:g}")
    if not rate * weight_decay:
        return math.inf
    return patches * batch_size * math.log(2.0 / eps) / (rate * weight_decay)


def rank_within(values: Float64[np.ndarray, " m"], eps: float) -> int:
    """Count the singular values that a matrix within a relative distance eps needs.

    Args:
        values: [M] singular values, not all zero.
        eps: the distance, as a share of the Frobenius norm.

    Returns:
        The smallest r with the norm of the others at most eps times that of all.
    """
    squares = np.sort(np.asarray(values, dtype=np.float64))[::-1] ** 2
    tails = np.concatenate([np.cumsum(squares[::-1])[::-1], [0.0]])
    return int(np.argmax(tails <= eps**2 * tails[0]))
