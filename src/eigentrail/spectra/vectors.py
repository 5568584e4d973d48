"""Is a vector random? Porter-Thomas p-values, participation, concentration, each with its chance level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64
from scipy.special import erf, ndtr

from eigentrail._arrays import like, to_float64
from eigentrail.errors import OptionError, SpectrumError

_SHORTEST = 8
"""Entries below which a vector has no Porter-Thomas p-value."""

# -ln p at K = D (sqrt n + .12 + .11 / sqrt n) on a grid from .30 in steps of .05, for random unit vectors
# (tools/calibrate_porter_thomas.py; lengths 16 to 4096 agree with it to .01 in p).
_K_START, _K_STEP = 0.30, 0.05
_MINUS_LOG_P = np.array(
    [
        0.0000,
        0.0009,
        0.0065,
        0.0249,
        0.0635,
        0.1263,
        0.2132,
        0.3208,
        0.4470,
        0.5876,
        0.7423,
        0.9084,
        1.0851,
        1.2728,
        1.4689,
        1.6752,
        1.8909,
        2.1155,
        2.3523,
        2.5980,
        2.8518,
        3.1186,
        3.3931,
        3.6830,
        3.9694,
        4.2750,
        4.5909,
        4.9183,
        5.2537,
        5.5990,
        5.9581,
        6.3266,
        6.7081,
        7.0947,
        7.4869,
    ]
)


@dataclass(frozen=True)
class Participation:
    """How many entries take part in each of k unit vectors of length n.

    Attributes:
        inverse: inverse participation ratio sum_j v_j^4 [k]: 1/n fully delocalised, 1 a single entry.
        count: its reciprocal [k], the effective number of entries.
        share: count / n [k], in (0, 1].
        chance: mean inverse participation ratio of random vectors, 3 / (n + 2).
        chance_share: share of a vector whose inverse participation ratio is `chance`, (n + 2) / (3 n).
    """

    inverse: Any
    count: Any
    share: Any
    chance: float
    chance_share: float


@dataclass(frozen=True)
class Concentration:
    """How much of k unit vectors lies in each of s parts of their entries.

    Attributes:
        names: names of the parts.
        shares: sum of v_j^2 over each part [k, s].
        chance: mean share of a random vector, the part's number of entries over n [s].
        chance_error: standard deviation of the share of a random vector [s].
    """

    names: tuple[str, ...]
    shares: Any
    chance: Any
    chance_error: Any


def porter_thomas(vectors: Any, *, neighbours: int = 0) -> Any:
    """Test each vector against random ones: Kolmogorov-Smirnov p-values of its entries against N(0, 1/n).

    The p-values are those of the distance under its own null, random directions on the sphere: a unit vector
    fixes its entries' variance, with which the textbook p-value of the distance would be too large. They are
    uniform for random vectors; about 0.5 on average therefore means random, near 0 structured. Sign and scale
    of a vector do not matter.

    Args:
        vectors: [k, n] or one vector [n], numpy or torch, n >= 8.
        neighbours: average each p-value with those of so many vectors before and after it (S1 7.5 takes 15);
            the average of p-values is itself no p-value.

    Returns:
        The p-values [k] (a vector of length 1 for one vector), float64, in the kind of array that was given.

    Raises:
        OptionError: if `neighbours` is negative.
        SpectrumError: if vectors are too short, zero, or not finite.
    """
    if neighbours < 0:
        raise OptionError(f"neighbours must be zero or more, not {neighbours}.")
    x = _unit_rows(vectors)
    n = x.shape[1]
    if n < _SHORTEST:
        raise SpectrumError(f"a Porter-Thomas test needs vectors of at least {_SHORTEST} entries, not {n}.")
    x *= np.sqrt(n)
    x.sort(axis=1)
    law = ndtr(x, out=x)
    above = np.arange(1, n + 1) / n
    law -= above
    # sup |F_n - F| from F - i/n alone: at the steps' upper ends, and 1/n more at their lower ends.
    distance = np.maximum(law.max(axis=1) + 1.0 / n, -law.min(axis=1))
    p = _survival(distance * (np.sqrt(n) + 0.12 + 0.11 / np.sqrt(n)))
    return like(_windowed_mean(p, neighbours) if neighbours else p, vectors)


def porter_thomas_cdf(v: Any, n: int) -> Any:
    """Evaluate the Porter-Thomas law of the entries of a random unit vector, (1 + erf(v sqrt(n/2))) / 2.

    S1 eq. 7.7 prints 1 + erf(.)/2, which exceeds one: the parenthesis is misplaced. The law is that of N(0,
    1/n), the limit of large n.

    Args:
        v: entries, any shape.
        n: length of the vector.

    Returns:
        The probability of a smaller entry.
    """
    return like(np.asarray(0.5 * (1.0 + erf(to_float64(v) * np.sqrt(n / 2.0)))), v)


def participation(vectors: Any) -> Participation:
    """Compute the inverse participation ratio of each vector, and what chance gives.

    Args:
        vectors: [k, n] or [n]; normalised here.

    Returns:
        The ratios; arrays in the kind that was given.

    Raises:
        SpectrumError: if a vector is empty, zero or not finite.
    """
    x = _unit_rows(vectors)
    n = x.shape[1]
    x *= x
    inverse = np.einsum("kn,kn->k", x, x)
    return Participation(
        inverse=like(inverse, vectors),
        count=like(1.0 / inverse, vectors),
        share=like(1.0 / (n * inverse), vectors),
        chance=3.0 / (n + 2.0),
        chance_share=(n + 2.0) / (3.0 * n),
    )


def concentration(vectors: Any, slices: Mapping[str, slice] | Sequence[slice]) -> Concentration:
    """Compute which share of each vector lies in each part of its entries, for example in each layer.

    Args:
        vectors: [k, n] or [n]; normalised here.
        slices: parts by name, or a sequence of parts (named "0", "1", ...); they may overlap or leave gaps.

    Returns:
        The shares with their chance level: that of a random direction, whose shares follow a beta
        distribution.

    Raises:
        OptionError: if there are no parts, or one has no entries.
        SpectrumError: if a vector is empty, zero or not finite.
    """
    parts = dict(slices) if isinstance(slices, Mapping) else {str(i): part for i, part in enumerate(slices)}
    if not parts:
        raise OptionError("concentration needs at least one slice.")
    x = _unit_rows(vectors)
    n = x.shape[1]
    x *= x
    sizes = np.array([len(range(*part.indices(n))) for part in parts.values()], dtype=np.float64)
    for name, size in zip(parts, sizes, strict=True):
        if size == 0:
            raise OptionError(f"slice {name!r} holds none of the {n} entries.")
    shares = np.stack([x[:, part].sum(axis=1) for part in parts.values()], axis=1)
    chance = sizes / n
    return Concentration(
        names=tuple(parts),
        shares=like(shares, vectors),
        chance=like(chance, vectors),
        chance_error=like(np.sqrt(chance * (1.0 - chance) * 2.0 / (n + 2.0)), vectors),
    )


def _unit_rows(vectors: Any) -> Float64[np.ndarray, "k n"]:
    """Copy vectors to float64 rows of unit length."""
    x = to_float64(vectors)
    x = x[None] if x.ndim == 1 else x
    if x.ndim != 2 or x.size == 0:
        raise SpectrumError(f"vectors are [k, n] with k, n >= 1, not an array of shape {x.shape}.")
    largest = np.maximum(x.max(axis=1), -x.min(axis=1))
    if not np.isfinite(largest).all():
        raise SpectrumError("the vectors hold NaN or infinity.")
    if not (largest > 0.0).all():
        raise SpectrumError(f"vector {int(np.argmin(largest > 0.0))} is zero and has no direction.")
    # By the largest entry first: squares of extreme entries would overflow or vanish.
    x = x / largest[:, None]
    x /= np.sqrt(np.einsum("kn,kn->k", x, x))[:, None]
    return np.ascontiguousarray(x)


def _survival(k: Float64[np.ndarray, "k"]) -> Float64[np.ndarray, "k"]:
    grid = _K_START + _K_STEP * np.arange(_MINUS_LOG_P.size)
    inside = np.interp(k, grid, _MINUS_LOG_P)
    # The largest deviation is at the median, which the fixed variance leaves alone: Kolmogorov's exp(-2 K^2).
    beyond = _MINUS_LOG_P[-1] + 2.0 * (k**2 - grid[-1] ** 2)
    return np.asarray(np.exp(-np.where(k > grid[-1], beyond, inside)))


def _windowed_mean(p: Float64[np.ndarray, "k"], neighbours: int) -> Float64[np.ndarray, "k"]:
    total = np.concatenate([[0.0], np.cumsum(p)])
    index = np.arange(p.size)
    low, high = np.maximum(index - neighbours, 0), np.minimum(index + neighbours + 1, p.size)
    return np.asarray((total[high] - total[low]) / (high - low))
