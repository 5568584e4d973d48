"""Unfolding: levels on a scale where their mean spacing is one everywhere."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float64
from scipy.special import ndtr

from eigentrail._arrays import like, to_float64
from eigentrail.errors import OptionError, SpectrumError

_CUTOFF = 4.0
"""Gaussians end here, in standard deviations; they are normalised on what is left."""

_DENSE = 96
"""Up to this many levels every pair is evaluated: cheaper than looking up which pairs matter."""

_BLOCK = 1 << 20
"""Most pairs of levels held in memory at once."""


def unfold(
    eigenvalues: Any,
    method: str = "local",
    *,
    window: int = 10,
    degree: int = 7,
    tolerance: float | int | None = None,
) -> Any:
    """Map levels to a scale where their mean spacing is one.

    The null space is dropped first. Then every level is sent to the smooth part of the number of levels below
    it:

    - ``"local"``: every level is broadened by a Gaussian whose standard deviation is half the distance
      between its `window`-th neighbours below and above (so `window` local mean spacings; one-sided at the
      ends of the spectrum). A width of a single spacing would follow the very fluctuations that are to be
      measured.
    - ``"polynomial"``: a polynomial of the given degree, least squares, through the staircase.

    Both are finally rescaled so that the mean spacing is exactly one.

    Args:
        eigenvalues: levels [n] of one matrix in any order, numpy or torch; negative ones are welcome.
        method: "local" or "polynomial".
        window: neighbours in each direction that set the local width (S1 7.5 averages over 10).
        degree: of the polynomial.
        tolerance: levels with absolute value up to this times the largest one are the null space;
            default n times the float64 rounding unit.

    Returns:
        The unfolded levels, ascending, float64, [m] with m <= n: what is left without the null space. Tied
        levels stay tied. In the kind of array that was given.

    Raises:
        OptionError: if an option is outside what it may be.
    """
    if method not in {"local", "polynomial"}:
        raise OptionError(f"unfolding method {method!r} is unknown; use 'local' or 'polynomial'.")
    if window < 1 or degree < 1:
        raise OptionError(f"unfolding needs window >= 1 and degree >= 1, not {window} and {degree}.")
    levels = drop_null_space(eigenvalues, tolerance)
    if method == "polynomial":
        return like(_polynomial(levels, degree), eigenvalues)
    return like(unfold_groups(levels[None], window)[0], eigenvalues)


def drop_null_space(eigenvalues: Any, tolerance: float | int | None = None) -> Float64[np.ndarray, "m"]:
    """Sort the levels of one matrix and leave out those that are zero up to rounding.

    The rule is relative to the largest absolute value, so that it does not depend on the scale.

    Args:
        eigenvalues: levels [n] in any order.
        tolerance: share of the largest absolute value up to which a level counts as zero; default n times the
            float64 rounding unit.

    Returns:
        The levels left, ascending, [m].

    Raises:
        SpectrumError: if they are not finite, not a vector, all zero or none at all.
    """
    levels = check_levels(eigenvalues)
    if levels.ndim != 1:
        raise SpectrumError(f"the levels of one matrix are a vector, not an array of shape {levels.shape}.")
    levels = np.sort(levels)
    largest = max(-levels[0], levels[-1])
    if largest == 0.0:
        raise SpectrumError("all eigenvalues are zero, so that there is no spacing to speak of.")
    if tolerance is None:
        tolerance = levels.size * float(np.finfo(np.float64).eps)
    kept = np.abs(levels) > tolerance * largest
    return levels if kept.all() else levels[kept]


def check_levels(eigenvalues: Any) -> Float64[np.ndarray, "..."]:
    """Bring eigenvalues to float64 and refuse what nothing can be computed from.

    Args:
        eigenvalues: array of any shape, numpy or torch.

    Returns:
        The same numbers, float64.

    Raises:
        SpectrumError: if there are none, or some are not finite or not real.
    """
    if np.iscomplexobj(eigenvalues):
        raise SpectrumError("the eigenvalues are complex; level statistics need those of a symmetric matrix.")
    levels = to_float64(eigenvalues)
    if levels.size == 0:
        raise SpectrumError("there are no eigenvalues.")
    if not np.isfinite(levels).all():
        raise SpectrumError("the eigenvalues hold NaN or infinity; look for a diverged layer.")
    return levels


def unfold_groups(levels: Float64[np.ndarray, "k n"], window: int = 10) -> Float64[np.ndarray, "k n"]:
    """Unfold k spectra, each by itself, with the "local" method.

    Args:
        levels: ascending levels [k, n] of k matrices, null spaces already dropped.
        window: see `unfold`.

    Returns:
        Unfolded levels [k, n]; the mean spacing of each row is one (zero where all its levels are tied).
    """
    count, n = levels.shape
    if n < 2:
        return np.zeros_like(levels)
    widths = _local_widths(levels, window)
    if n <= _DENSE:
        step = max(1, _BLOCK // (n * n))
        parts = [_dense(levels[i : i + step], widths[i : i + step]) for i in range(0, count, step)]
        return _rescale(np.concatenate(parts))
    return _rescale(np.stack([_banded(row, width) for row, width in zip(levels, widths, strict=True)]))


def _local_widths(levels: Float64[np.ndarray, "k n"], window: int) -> Float64[np.ndarray, "k n"]:
    n = levels.shape[1]
    index = np.arange(n)
    low, high = np.maximum(index - window, 0), np.minimum(index + window, n - 1)
    # Half of 2 * window local spacings; the same number of spacings also where the window is cut by an end.
    widths = (levels[:, high] - levels[:, low]) * (window / (high - low))
    # More than `window` tied levels: a step, whose width must not be zero.
    span = np.maximum(levels[:, -1:] - levels[:, :1], np.abs(levels).max(axis=1, keepdims=True))
    return np.asarray(np.maximum(widths, 1e-14 * span + np.finfo(np.float64).tiny))


def _gaussian_step(z: Float64[np.ndarray, "..."]) -> Float64[np.ndarray, "..."]:
    below = ndtr(-_CUTOFF)
    step = (ndtr(z) - below) / (1.0 - 2.0 * below)
    return np.asarray(np.clip(step, 0.0, 1.0, out=step))


def _dense(
    levels: Float64[np.ndarray, "k n"], widths: Float64[np.ndarray, "k n"]
) -> Float64[np.ndarray, "k n"]:
    z = (levels[:, :, None] - levels[:, None, :]) / widths[:, None, :]
    return np.asarray(_gaussian_step(z).sum(axis=2))


def _banded(levels: Float64[np.ndarray, "n"], widths: Float64[np.ndarray, "n"]) -> Float64[np.ndarray, "n"]:
    n = levels.size
    first = np.searchsorted(levels, levels - _CUTOFF * widths, side="left")
    last = np.searchsorted(levels, levels + _CUTOFF * widths, side="right")
    # A level counts fully for everything above the end of its Gaussian, and by the Gaussian within.
    staircase = np.cumsum(np.bincount(last, minlength=n + 1)[:n]).astype(np.float64)
    pairs = last - first
    ends = np.cumsum(pairs)
    start = 0
    while start < n:
        stop = int(np.searchsorted(ends, ends[start] - pairs[start] + _BLOCK, side="right"))
        stop = min(max(stop, start + 1), n)
        length = pairs[start:stop]
        offset = np.repeat(np.cumsum(length) - length - first[start:stop], length)
        target = np.arange(length.sum()) - offset
        z = levels[target]
        z -= np.repeat(levels[start:stop], length)
        z *= np.repeat(1.0 / widths[start:stop], length)
        staircase += np.bincount(target, weights=_gaussian_step(z), minlength=n)
        start = stop
    return staircase


def _polynomial(levels: Float64[np.ndarray, "n"], degree: int) -> Float64[np.ndarray, "n"]:
    n = levels.size
    if n < 2 or levels[0] == levels[-1]:
        return np.zeros(n)
    # Degree below the number of levels, or the staircase itself would be interpolated.
    fit = np.polynomial.Chebyshev.fit(levels, np.arange(n) + 0.5, min(degree, max(1, n // 4)))
    # A polynomial may fall somewhere; the number of levels below cannot.
    return np.asarray(_rescale(np.maximum.accumulate(np.asarray(fit(levels)))[None])[0])


def _rescale(unfolded: Float64[np.ndarray, "k n"]) -> Float64[np.ndarray, "k n"]:
    start = unfolded[:, :1]
    span = unfolded[:, -1:] - start
    mean = span / (unfolded.shape[1] - 1)
    return np.asarray((unfolded - start) / np.where(mean > 0.0, mean, 1.0))
