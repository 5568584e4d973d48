"""How diagonal one basis is in another, as one number with its chance level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float64

from eigentrail._arrays import to_float64
from eigentrail.errors import OptionError

_SHARE = 0.05
# Rounds in which rows and columns are brought to one: each divides what is left by ten and more.
_BALANCINGS = 100


@dataclass(frozen=True)
class Sharpness:
    """How much of each direction lies near its own place in another basis.

    Attributes:
        sharpness: (share - chance) / (1 - chance): 1 for the same basis, 0 for a random one.
        share: mean over the rows i of the sum of <a_i, b_j>^2 over |i - j| <= band.
        chance: the same for random directions, the mean number of those j over n.
        chance_error: standard deviation of `share` for random directions.
        band: how far from the diagonal still counts.
        distance: mean |i - j| weighted by the squared overlaps of the pairs that are given.
        distance_chance: the same for equal weights.
        rows: share of each row [k].
    """

    sharpness: float
    share: float
    chance: float
    chance_error: float
    band: int
    distance: float
    distance_chance: float
    rows: Float64[np.ndarray, " k"]

    @property
    def z(self) -> float:
        """The share's distance from chance in standard deviations of chance; 0 where every direction has that share."""
        return (self.share - self.chance) / self.chance_error if self.chance_error > 0.0 else 0.0


@dataclass(frozen=True)
class SharpnessDifference:
    """Which of two bases is sharper in the eigenbasis of the Hessian.

    Attributes:
        difference: share of the second less that of the first.
        error: its standard error, from the rows' differences in blocks of neighbours.
        first: sharpness of the first.
        second: sharpness of the second.
    """

    difference: float
    error: float
    first: Sharpness
    second: Sharpness

    @property
    def z(self) -> float:
        """The difference in standard errors."""
        return self.difference / self.error if self.error > 0.0 else float(np.inf) * np.sign(self.difference)


def diagonal_sharpness(overlaps: Any, band: int | None = None, *, n: int | None = None) -> Sharpness:
    """Measure how sharp the diagonal of an overlap matrix is.

    Rows and columns are both sorted by falling eigenvalue or variance, so that i and j are ranks. A
    direction's squared overlaps with a complete basis sum to one, therefore a share of the squared overlaps is
    a share of the direction.

    Args:
        overlaps: [i, j] from `bases.overlap`, or any array of them; signs do not matter. Rows beyond the
            columns have no diagonal and are left out.
        band: ranks off the diagonal that still count; None for a twentieth of the ranks, at least 1.
        n: the dimension of the space; taken from the overlaps' attributes, needed for a plain array that is
            not square.

    Returns:
        The sharpness with its chance level.

    Raises:
        OptionError: the overlaps are no finite matrix, the band is no whole number from 0 on, or n is not known or less
            than the number of columns.
    """
    if n is None and isinstance(overlaps, xr.DataArray):
        n = overlaps.attrs.get("n")
    o = to_float64(overlaps.values if isinstance(overlaps, xr.DataArray) else overlaps)
    if o.ndim != 2 or 0 in o.shape or not np.isfinite(o).all():
        raise OptionError(f"overlaps are a finite matrix [i, j], not of shape {o.shape}.")
    if n is None and o.shape[0] != o.shape[1]:
        raise OptionError("overlaps of a part of a basis need n, the dimension of the space.")
    size = o.shape[1] if n is None else int(n)
    if size < o.shape[1]:
        raise OptionError(
            f"{o.shape[1]} orthogonal directions do not fit {size} dimensions: give the n of the space."
        )
    count = min(o.shape)
    reach = max(1, round(_SHARE * count)) if band is None else band
    if isinstance(reach, bool) or not isinstance(reach, (int, np.integer)) or reach < 0:
        raise OptionError(f"the band is a whole number, 0 or more, not {band!r}.")
    squared = o[:count] ** 2
    i = np.arange(count)
    low, high = np.maximum(i - reach, 0), np.minimum(i + reach + 1, o.shape[1])
    sums = np.concatenate([np.zeros((count, 1)), np.cumsum(squared, axis=1)], axis=1)
    rows = sums[i, high] - sums[i, low]
    inside = float((high - low).mean())
    share, chance = float(rows.mean()), inside / size
    # A squared entry of a random unit vector has variance 2 (n - 1) / (n^2 (n + 2)), covariance -2 / (n^2 (n + 2)).
    widths = (high - low).astype(np.float64)
    variance = 2.0 * widths * (size - widths) / (size**2 * (size + 2.0))
    far = np.abs(i[:, None] - np.arange(o.shape[1])[None, :])
    total = float(squared.sum())
    return Sharpness(
        sharpness=(share - chance) / (1.0 - chance) if chance < 1.0 else 0.0,
        share=share,
        chance=chance,
        chance_error=float(np.sqrt(variance.sum()) / count),
        band=int(reach),
        distance=float(np.vdot(far, squared)) / total if total > 0.0 else float(far.mean()),
        distance_chance=float(far.mean()),
        rows=rows,
    )


def block_shares(overlaps: Any, blocks: int = 10) -> Float64[np.ndarray, " b"]:
    """Measure how alike two complete bases are in each part of their ranks.

    Inside a part the directions of one basis may be any mixture of the other's, as within eigenvalues that hardly
    differ: what counts is the share of a part of one that lies in the span of the same part of the other. For two
    random bases it is 1 / blocks.

    Args:
        overlaps: [n, n] of two complete bases of one space, both sorted.
        blocks: how many parts.

    Returns:
        [blocks] the shares, 0 to 1, from the first ranks to the last.

    Raises:
        OptionError: the overlaps are not square or not finite, or there are fewer directions than parts.
    """
    o = to_float64(overlaps.values if isinstance(overlaps, xr.DataArray) else overlaps)
    if o.ndim != 2 or o.shape[0] != o.shape[1] or not np.isfinite(o).all():
        raise OptionError(
            f"overlaps of two complete bases are a finite square matrix, not of shape {o.shape}."
        )
    if not 1 <= blocks <= len(o):
        raise OptionError(f"parts are 1 to {len(o)} here, not {blocks}.")
    return np.diag(_between_parts(o, blocks)).copy()


def even_band(overlaps: Any, blocks: int = 10) -> Float64[np.ndarray, " b"]:
    """Compute what `block_shares` would be were the band about the diagonal as wide at the ends as between them.

    A direction at an end has neighbours on one side only, and is more like those of its own rank for that alone. The
    shares between parts are averaged over all pairs of parts, the first and the last left out, that lie equally far
    apart, and rows and columns are brought to one again (Sinkhorn & Knopp 1967).

    Args:
        overlaps: as for `block_shares`.
        blocks: how many parts, 4 or more.

    Returns:
        [blocks] the shares, the same from either end; 1 / blocks for random bases.

    Raises:
        OptionError: as `block_shares`, and for fewer than 4 parts.
    """
    block_shares(overlaps, blocks)
    if blocks < 4:
        raise OptionError(f"a band needs 4 parts or more, not {blocks}.")
    shares = _between_parts(
        to_float64(overlaps.values if isinstance(overlaps, xr.DataArray) else overlaps), blocks
    )
    apart = np.abs(np.subtract.outer(np.arange(blocks), np.arange(blocks)))
    inner = np.zeros_like(apart, dtype=bool)
    inner[1:-1, 1:-1] = True
    band = np.empty_like(shares)
    for distance in range(blocks):
        here = apart == distance
        known = here & inner
        band[here] = shares[known if known.any() else here].mean()
    for _ in range(_BALANCINGS):
        band /= band.sum(axis=1, keepdims=True)
        band = (band + band.T) / 2.0
    return np.diag(band).copy()


def _between_parts(o: Float64[np.ndarray, "n n"], blocks: int) -> Float64[np.ndarray, "b b"]:
    parts = np.array_split(np.arange(len(o)), blocks)
    return np.array([[float((o[np.ix_(a, b)] ** 2).sum()) / len(a) for b in parts] for a in parts])


def compare_sharpness(first: Any, second: Any, band: int | None = None) -> SharpnessDifference:
    """Tell which of two bases is sharper in a third one, such as components of weights and of updates.

    S1's figure 7.1 finds those of the updates sharper in the eigenbasis of the Hessian.

    Args:
        first: overlaps [i, j] of the third basis (rows) with the first one.
        second: its overlaps with the second one, of the same shape.
        band: see `diagonal_sharpness`.

    Returns:
        The difference with its error; neighbouring rows are taken together because their shares depend on one
        another.

    Raises:
        OptionError: the shapes differ, or there are fewer than two blocks of rows.
    """
    if np.shape(first) != np.shape(second):
        raise OptionError(
            f"overlaps to compare have one shape, not {np.shape(first)} and {np.shape(second)}: "
            "take as many directions."
        )
    a, b = diagonal_sharpness(first, band), diagonal_sharpness(second, band)
    gaps = b.rows - a.rows
    length = 2 * a.band + 1
    blocks = max(2, gaps.size // length)
    if gaps.size < blocks:
        raise OptionError("one row of overlaps has no error: take at least two directions.")
    means = np.array([part.mean() for part in np.array_split(gaps, blocks)])
    return SharpnessDifference(
        difference=float(gaps.mean()),
        error=float(means.std(ddof=1) / np.sqrt(blocks)),
        first=a,
        second=b,
    )
