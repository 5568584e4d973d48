"""The search for the tail that looks most like a power law: exact, pruned, for one spectrum or many at a time.

Everything works on sorted logarithms `u_1 <= ... <= u_n` of the values. With `N_j` the number of values >= value j,
the tail that starts at value i has the maximum-likelihood exponent `a_i = alpha_i - 1 = N_i / sum_{j>=i} (u_j - u_i)`
and the deviation `N_j / N_i - exp(-a_i (u_j - u_i))` at value j; its Kolmogorov-Smirnov distance is the largest
absolute one. Equal values share one `N_j`, so they count as one point, and as one candidate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

TIE = 1e-12
"""Distances closer than this are ties: their difference is rounding, and the smallest xmin is taken."""

FULL = 160
"""Up to this many values all distances are computed at once: pruning would cost more than it saves."""

_POINTS = 8
_CHUNK = 1 << 16


@dataclass(frozen=True)
class Tails:
    """All candidate tails of `b` spectra with `n` values each.

    Attributes:
        logs: logarithms of the values, ascending along the last axis, any common factor taken out.
        sizes: how many values lie at or above each value (`N_j`).
        exponents: maximum-likelihood `alpha - 1` of the tail that starts at each value; 0 where that is no candidate.
        candidates: where a tail may start: at the first of equal values, with at least three distinct ones in the tail.
    """

    logs: Float64[np.ndarray, "b n"]
    sizes: Float64[np.ndarray, "b n"]
    exponents: Float64[np.ndarray, "b n"]
    candidates: Bool[np.ndarray, "b n"]

    def rows(self, where: slice | Bool[np.ndarray, "b"]) -> Tails:
        """Take some of the spectra.

        Args:
            where: which ones.

        Returns:
            The tails of those.
        """
        return Tails(self.logs[where], self.sizes[where], self.exponents[where], self.candidates[where])


@dataclass(frozen=True)
class Best:
    """The chosen tail of each of `b` spectra.

    Attributes:
        start: index of the tail's first value.
        exponent: its `alpha - 1`.
        distance: its Kolmogorov-Smirnov distance.
    """

    start: Int64[np.ndarray, "b"]
    exponent: Float64[np.ndarray, "b"]
    distance: Float64[np.ndarray, "b"]


def tails(logs: Float64[np.ndarray, "b n"]) -> Tails:
    """Fit a power law to every tail of every spectrum with one reversed cumulative sum.

    The sum over a tail is built from the gaps between neighbours,
    `sum_{j>=i} (u_j - u_i) = sum_{k>i} N_k (u_k - u_{k-1})`. All terms are positive: nothing cancels in a long tail.

    Args:
        logs: logarithms of the values, ascending along the last axis.

    Returns:
        The fitted tails.
    """
    n = logs.shape[1]
    gaps = np.diff(logs, axis=1)
    first = np.ones(logs.shape, dtype=bool)
    np.greater(gaps, 0.0, out=first[:, 1:])
    if first.all():
        sizes = np.broadcast_to(np.arange(n, 0, -1, dtype=np.float64), logs.shape).copy()
        candidates = np.zeros(logs.shape, dtype=bool)
        candidates[:, : max(n - 2, 0)] = True
    else:
        starts = np.maximum.accumulate(np.where(first, np.arange(n), 0), axis=1)
        sizes = n - starts.astype(np.float64)
        distinct = np.cumsum(first[:, ::-1], axis=1)[:, ::-1]
        candidates = first & (distinct >= 3)
    sums = np.zeros(logs.shape)
    np.multiply(gaps, sizes[:, 1:], out=gaps)
    np.cumsum(gaps[:, ::-1], axis=1, out=sums[:, -2::-1])
    exponents = np.divide(sizes, sums, out=np.zeros(logs.shape), where=candidates)
    return Tails(logs, sizes, exponents, candidates)


def all_distances(fits: Tails) -> Float64[np.ndarray, "b n"]:
    """Compute the Kolmogorov-Smirnov distance of every tail, without pruning.

    Args:
        fits: the tails.

    Returns:
        The distances; infinite where no tail may start. The work grows with b n^2.
    """
    b, n = fits.logs.shape
    result = np.full((b, n), np.inf)
    step = max(1, 4 * _CHUNK // max(b * n, 1))
    for low in range(0, n, step):
        rows = slice(low, min(low + step, n))
        value = -fits.exponents[:, rows, None] * np.maximum(
            fits.logs[:, None, low:] - fits.logs[:, rows, None], 0.0
        )
        np.exp(value, out=value)
        np.subtract(fits.sizes[:, None, low:] / fits.sizes[:, rows, None], value, out=value)
        np.abs(value, out=value)
        # Left of its own start a tail has no points; those entries must not decide its distance.
        value *= np.arange(low, n) >= np.arange(rows.start, rows.stop)[:, None]
        result[:, rows] = value.max(axis=2)
    result[~fits.candidates] = np.inf
    return result


def _columns(n: int) -> Int64[np.ndarray, "k"]:
    """Choose the points at which all tails are looked at first: evenly spread, and denser towards the largest value."""
    even = np.linspace(0, n - 1, _POINTS // 2 + 2)[1:-1]
    near = n - np.geomspace(2.0, n / 3.0, _POINTS // 2)
    return np.unique(np.concatenate((even, near)).astype(np.int64))


def _tighten(
    bounds: Float64[np.ndarray, "b n"],
    fits: Tails,
    point: Int64[np.ndarray, "b"],
    work: Float64[np.ndarray, "b n"],
) -> None:
    """Raise every tail's lower bound to its absolute deviation at one point per spectrum, in place."""
    rows = np.arange(len(point))
    width = int(point.max()) + 1
    value = work[:, :width]
    np.subtract(fits.logs[:, :width], fits.logs[rows, point][:, None], out=value)
    np.multiply(value, fits.exponents[:, :width], out=value)
    with np.errstate(over="ignore"):  # right of a spectrum's own point, where nothing is read
        np.exp(value, out=value)
    np.subtract(fits.sizes[rows, point][:, None] / fits.sizes[:, :width], value, out=value)
    np.abs(value, out=value)
    if len(point) == 1 or (point == point[0]).all():
        np.maximum(bounds[:, :width], value, out=bounds[:, :width])
    else:
        inside = np.arange(width) <= point[:, None]
        np.maximum(bounds[:, :width], value, out=bounds[:, :width], where=inside)


def _evaluate(
    fits: Tails, start: Int64[np.ndarray, "b"], work: Float64[np.ndarray, "b n"]
) -> tuple[Float64[np.ndarray, "b"], Int64[np.ndarray, "b"], Int64[np.ndarray, "b"]]:
    """Compute the exact distance of one tail per spectrum, and where its deviation is largest and smallest."""
    rows = np.arange(len(start))
    low = int(start.min())
    value = work[:, low:]
    np.subtract(fits.logs[rows, start][:, None], fits.logs[:, low:], out=value)
    # Points below a tail's start become exactly zero deviation: exponent 0 and a ratio capped at 1.
    np.minimum(value, 0.0, out=value)
    np.multiply(value, fits.exponents[rows, start][:, None], out=value)
    np.exp(value, out=value)
    ratio = fits.sizes[:, low:] / fits.sizes[rows, start][:, None]
    np.minimum(ratio, 1.0, out=ratio)
    np.subtract(ratio, value, out=value)
    above, below = value.argmax(axis=1), value.argmin(axis=1)
    distance = np.maximum(value[rows, above], -value[rows, below])
    return distance, above + low, below + low


def scan(fits: Tails, stop_below: float | None = None) -> Best:
    """Find the tail with the smallest Kolmogorov-Smirnov distance, exactly, without looking at every tail in full.

    Any subset of a tail's points gives a lower bound of its distance. All tails are bounded at a few shared points;
    then the tail with the lowest bound is evaluated in full and the two points where it deviates most are shared with
    all others, whose deviations peak near there too. A tail whose bound exceeds the best distance is never evaluated.

    Args:
        fits: the tails of `b` spectra.
        stop_below: a distance; a spectrum's search ends early at any tail below it. Then only whether the result lies
            below it is meaningful.

    Returns:
        The best tail of each spectrum; among ties the one that starts lowest. A spectrum without any candidate has an
        infinite distance and exponent 0.
    """
    b, n = fits.logs.shape
    start = np.zeros(b, dtype=np.int64)
    distance = np.full(b, np.inf)
    step = max(1, _CHUNK // (n * n if n <= FULL else n))
    for low in range(0, b, step):
        rows = slice(low, low + step)
        part = fits.rows(rows)
        exact = all_distances(part) if n <= FULL else _pruned(part, stop_below)
        distance[rows] = exact.min(axis=1)
        start[rows] = (exact <= distance[rows, None] + TIE).argmax(axis=1)
    return Best(start, fits.exponents[np.arange(b), start], distance)


def _pruned(fits: Tails, stop_below: float | None) -> Float64[np.ndarray, "b n"]:
    """Compute the distances that can matter for the smallest one; all others stay infinite."""
    b, n = fits.logs.shape
    exact = np.full((b, n), np.inf)
    bounds = np.where(fits.candidates, 0.0, np.inf)
    work = np.empty((b, n))
    best = np.full(b, np.inf)
    alive = np.arange(b)
    for column in _columns(n):
        _tighten(bounds, fits, np.full(b, column), work)
    while True:
        pick = bounds.argmin(axis=1)
        lowest = bounds[np.arange(len(alive)), pick]
        going = np.isfinite(lowest) & (lowest <= best[alive] + TIE)
        if stop_below is not None:
            going &= (lowest < stop_below) & (best[alive] >= stop_below)
        if not going.any():
            return exact
        if not going.all():
            alive, pick, bounds, fits = alive[going], pick[going], bounds[going], fits.rows(going)
            work = work[: len(alive)]
        found, above, below = _evaluate(fits, pick, work)
        exact[alive, pick] = found
        best[alive] = np.minimum(best[alive], found)
        _tighten(bounds, fits, above, work)
        _tighten(bounds, fits, below, work)
        bounds[np.arange(len(alive)), pick] = np.inf
