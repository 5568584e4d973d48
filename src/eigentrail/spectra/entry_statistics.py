"""What the entries of a matrix say, before any eigenvalue: outliers among them make outliers of the spectrum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from eigentrail._arrays import to_numpy
from eigentrail.errors import LayerError
from eigentrail.linalg.halves import Halves

_BLOCK = 1 << 15
_TAIL_SHARE = 500  # one entry in so many is the tail
_FEWEST_IN_TAIL = 20
_LARGEST_SAMPLE = 1 << 19  # of entries whose tail index is taken: every so-manieth, moments take them all


@dataclass(frozen=True)
class EntryStatistics:
    """Statistics of the entries, centred by their mean and in units of their standard deviation.

    Attributes:
        size: number of entries.
        mean: mean over the standard deviation.
        kurtosis: fourth moment; 3 for a Gaussian, 1.8 for a uniform distribution.
        largest: the largest |entry|.
        expected: the largest |entry| to be expected of `size` Gaussian entries.
        tail_index: Hill's estimate of mu in P(|entry| > t) ~ t^-mu from the largest 1 in 500; 10 and more for
            Gaussian entries.
    """

    size: int
    mean: float
    kurtosis: float
    largest: float
    expected: float
    tail_index: float


def entry_statistics(w: Any) -> EntryStatistics:
    """Compute the statistics of a matrix's entries.

    Args:
        w: a matrix, or a stack of them, of any shape, or `Halves`; pooled matrices are taken together.

    Returns:
        The statistics; they depend on neither scale, sign nor orientation.

    Raises:
        LayerError: there are no entries, or not all of them are finite.
    """
    # As it lies in memory: a transposed view is not copied.
    x = w.ravelled() if isinstance(w, Halves) else to_numpy(w).ravel(order="K")
    if x.size == 0:
        raise LayerError("The matrix has no entries.")
    low, high = float(x.min()), float(x.max())
    scale = max(high, -low)
    if not np.isfinite(scale):
        raise LayerError("The matrix has entries that are not finite.")
    expected = (2.0 * np.log(max(2.0 * x.size, 2.0))) ** 0.5
    scale = scale or 1.0
    mean, second, fourth = _moments(x, scale)
    if second <= 1e-24:  # constant to rounding
        return EntryStatistics(x.size, 0.0, 0.0, 0.0, float(expected), np.inf)
    sigma = second**0.5
    largest = max(high / scale - mean, mean - low / scale) / sigma
    sample = np.abs(np.divide(x[:: -(-x.size // _LARGEST_SAMPLE)], scale, dtype=np.float64) - mean)
    tail = min(max(_FEWEST_IN_TAIL, sample.size // _TAIL_SHARE), sample.size - 1)
    index = np.inf
    if tail > 0:
        top = np.partition(sample, sample.size - tail - 1)[sample.size - tail - 1 :]
        logs = float(np.log(top[1:] / top[0]).sum()) if top[0] > 0.0 else 0.0
        index = tail / logs if logs > 0.0 else np.inf
    return EntryStatistics(
        size=x.size,
        mean=mean / sigma,
        kurtosis=fourth / second**2,
        largest=largest,
        expected=float(expected),
        tail_index=float(index),
    )


def _moments(x: Any, scale: float) -> tuple[float, float, float]:
    """Give the mean and the second and fourth central moments in one pass, block by block (Pebay 2008).

    Args:
        x: [size] entries.
        scale: what they are divided by.

    Returns:
        The mean and the means of the centred entries' second and fourth powers.
    """
    many, mean, second, third, fourth = 0, 0.0, 0.0, 0.0, 0.0
    for start in range(0, x.size, _BLOCK):  # each stays in the cache
        y = np.divide(x[start : start + _BLOCK], scale, dtype=np.float64)
        more = len(y)
        at = float(y.sum()) / more
        y -= at
        squares = y * y
        second_here, third_here, fourth_here = float(y @ y), float(squares @ y), float(squares @ squares)
        whole = many + more
        step, a, b = at - mean, many / whole, more / whole
        fourth += (
            fourth_here
            + step**4 * many * b * (a * a - a * b + b * b)
            + 6.0 * step**2 * (a * a * second_here + b * b * second)
            + 4.0 * step * (a * third_here - b * third)
        )
        third += third_here + step**3 * many * b * (a - b) + 3.0 * step * (a * second_here - b * second)
        second += second_here + step**2 * many * b
        mean += step * b
        many = whole
    return mean, second / many, fourth / many
