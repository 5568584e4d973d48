"""Overlaps of random unit directions in closed form: their mean, and what the largest of many exceeds."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import scipy.optimize
from jaxtyping import Float64
from scipy.special import betaincc, gammaln

#: How often the largest overlap of random directions is above what is given for it.
LARGEST_LEVEL = 0.01
_NODES = np.polynomial.legendre.leggauss(400)


def mean_overlap(*dimensions: int) -> float:
    """Give the mean |overlap| of random unit directions; for rank-one matrices of both sides, the product.

    Args:
        dimensions: n, or rows and columns of matrices u v^T.

    Returns:
        prod_i sqrt(2 / (pi n_i)), right to 1 / (4 n_i) of itself.
    """
    return float(np.prod([np.sqrt(2.0 / (np.pi * n)) for n in dimensions]))


def overlap_survival(x: float, *dimensions: int) -> float:
    """Give the probability that the |overlap| of random unit directions is above a number.

    Args:
        x: the number, 0 to 1.
        dimensions: n, or rows and columns of matrices u v^T.

    Returns:
        The probability; the squared overlap of n dimensions follows Beta(1/2, (n - 1)/2), and that of rank-one
        matrices is the product of the two of their sides.
    """
    if x >= 1.0:
        return 0.0
    if len(dimensions) == 1:
        return float(_survival(x, dimensions[0]))
    rows, cols = dimensions
    if rows == 1 or cols == 1:
        return float(_survival(x, max(rows, cols)))
    # The density of one side at r = exp(-s^2), times the chance that the other side is above x / r.
    nodes, weights = _NODES
    reach = np.sqrt(-np.log(max(x, 1e-300)))
    s = 0.5 * reach * (nodes + 1.0)
    r = np.exp(-(s**2))
    inside = _density(r, rows) * r * 2.0 * s * _survival(np.minimum(1.0, x / r), cols)
    return float(min(1.0, 0.5 * reach * (weights @ inside)))


@lru_cache(maxsize=256)
def largest_overlap(pairs: int, *dimensions: int, level: float = LARGEST_LEVEL) -> float:
    """Give what the largest of many overlaps of random directions exceeds with a given probability at most.

    Args:
        pairs: how many overlaps.
        dimensions: n, or rows and columns of matrices u v^T.
        level: that probability.

    Returns:
        The number, 0 to 1: the overlap that one pair exceeds with probability level / pairs.
    """
    wanted = np.log(level / pairs)

    def off(log_x: float) -> float:
        return float(np.log(max(overlap_survival(float(np.exp(log_x)), *dimensions), 1e-300)) - wanted)

    n = int(np.prod(dimensions))
    low = 0.5 * np.log(1e-4 / n)
    if off(0.0) >= 0.0:
        return 1.0
    return float(np.exp(scipy.optimize.brentq(off, low, 0.0, xtol=1e-6)))


def _survival(x: Any, n: int) -> Any:
    return np.ones_like(x) if n == 1 else betaincc(0.5, 0.5 * (n - 1), np.square(x))


def _density(r: Float64[np.ndarray, " s"], n: int) -> Float64[np.ndarray, " s"]:
    left = np.maximum(1.0 - r**2, 1e-15)
    log = gammaln(n / 2) - gammaln((n - 1) / 2) - 0.5 * np.log(np.pi) + 0.5 * (n - 3) * np.log(left)
    return np.asarray(2.0 * np.exp(log))
