"""Compare an observed number with the draws of its null model: percentile, p-value, correction, words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float64

from eigentrail.errors import OptionError

#: The level at which something is called more than chance. It stands nowhere else.
LEVEL = 0.05

Side = Literal["greater", "less", "two"]

# Of few updates there are few patterns of signs, and one of them is the observed one, summed in another order.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Compared:
    """An observed number beside the draws of its null model.

    Attributes:
        observed: the number.
        median: the median of the draws.
        low: their 5% quantile.
        high: their 95% quantile.
        draws: how many there are.
        above: how many draws lie above the observed number.
        percentile: where the number lies among them, 0 to 100, equal ones counting half.
        p: (1 + draws at least as extreme) / (1 + draws); twice the smaller tail, at most 1, for two sides.
        side: which way "extreme" is.
    """

    observed: float
    median: float
    low: float
    high: float
    draws: int
    above: int
    percentile: float
    p: float
    side: Side

    @property
    def beyond(self) -> bool:
        """Whether it is more than chance, before any correction for how many were asked."""
        return self.p <= LEVEL

    @property
    def percentile_text(self) -> str:
        """The percentile as far as the draws can tell: "> 99.5" above all of 200 draws, never "100"."""
        return percentile_text(self.percentile, self.draws)

    @property
    def words(self) -> str:
        """The comparison in words: the null's median and how many of the draws lie beyond."""
        p = p_text(self.p, self.draws)
        return f"null median {self.median:.3g}, p {p if p[0] in '≤<' else f'= {p}'}"


def p_text(p: float, draws: int = 0) -> str:
    """Write a p-value; the smallest that the draws can give is a bound.

    Args:
        p: the p-value.
        draws: how many draws it was counted from; 0 for a closed form.

    Returns:
        Two significant digits, with "<=" at the bound.
    """
    if draws and p <= 1.0 / (draws + 1) * (1 + 1e-9):
        return f"≤ {p:.2g}"
    return "< 1e-12" if p < 1e-12 else f"{p:.2g}"


def compare(observed: float, null: Any, side: Side = "greater") -> Compared:
    """Compare a number with the draws of its null model.

    Args:
        observed: the number; finite.
        null: [draws] the same statistic of each draw; draws that are not finite are left out.
        side: "greater" where only large numbers speak against chance, "less" for small ones, "two" for both.

    Returns:
        The comparison.

    Raises:
        OptionError: there is no finite draw, the number is not finite, or there is no such side.
    """
    draws: Float64[np.ndarray, " d"] = np.asarray(null, dtype=np.float64).ravel()
    draws = draws[np.isfinite(draws)]
    if side not in {"greater", "less", "two"}:
        raise OptionError(f'side is "greater", "less" or "two", not {side!r}')
    if not len(draws):
        raise OptionError("a comparison with chance needs at least one finite draw of the null model")
    if not math.isfinite(observed):
        raise OptionError(f"a comparison with chance needs a finite number, not {observed!r}")
    equal = np.isclose(draws, observed, rtol=_ROUNDING, atol=0.0)
    above = int(((draws > observed) & ~equal).sum())
    below = int(((draws < observed) & ~equal).sum())
    same = int(equal.sum())
    upper = (1 + above + same) / (1 + len(draws))
    lower = (1 + below + same) / (1 + len(draws))
    p = {"greater": upper, "less": lower, "two": min(1.0, 2.0 * min(upper, lower))}[side]
    low, median, high = np.quantile(draws, [0.05, 0.5, 0.95])
    return Compared(
        float(observed),
        float(median),
        float(low),
        float(high),
        len(draws),
        above,
        100.0 * (below + 0.5 * same) / len(draws),
        float(p),
        side,
    )


def compare_drawn(observed: float, null: Any, side: Side = "greater") -> Compared | None:
    """Compare a number with the draws of its null model, where there are any.

    Args:
        observed: the number.
        null: [draws] the same statistic of each draw; may be empty.
        side: as of `compare`.

    Returns:
        The comparison; None without a finite draw or where the number is not finite.
    """
    draws = np.asarray(null, dtype=np.float64)
    if not np.isfinite(draws).any() or not math.isfinite(observed):
        return None
    return compare(observed, draws, side)


def percentile_text(percentile: float, draws: int) -> str:
    """Write a percentile as far as its draws can tell.

    Args:
        percentile: 0 to 100; NaN where nothing was compared.
        draws: how many draws it is among.

    Returns:
        "> 99.5" above all of 200 draws, "< 0.5" below all, never "100" or "0"; a dash for NaN.
    """
    if math.isnan(percentile) or not draws:
        return "-"
    resolution = 100.0 / draws
    if percentile >= 100.0 - 0.5 * resolution:
        return f"> {100.0 - resolution:.4g}"
    if percentile <= 0.5 * resolution:
        return f"< {resolution:.4g}"
    return f"{percentile:.3g}"


def percentile_of(compared: Compared | None) -> float | None:
    """Give the percentile of a comparison that may not have been made.

    Args:
        compared: the comparison, or None.

    Returns:
        0 to 100; None without a comparison.
    """
    return None if compared is None else compared.percentile


def p_of(compared: Compared | None) -> float | None:
    """Give the p-value of a comparison that may not have been made.

    Args:
        compared: the comparison, or None.

    Returns:
        The p-value; None without a comparison.
    """
    return None if compared is None else compared.p


def adjust(p: Sequence[float]) -> Float64[np.ndarray, " k"]:
    """Correct p-values for how many were asked, whatever their dependence.

    Args:
        p: [k] p-values of one family.

    Returns:
        [k] p-values after Benjamini and Yekutieli (2001): those below q are a set with false discovery rate q.

    Raises:
        OptionError: one is not a probability.
    """
    values = np.asarray(list(p), dtype=np.float64)
    if not len(values):
        return values
    if not ((values >= 0.0) & (values <= 1.0)).all():
        raise OptionError("p-values lie from 0 to 1")
    count = len(values)
    order = np.argsort(values)
    harmonic = (1.0 / np.arange(1, count + 1)).sum()
    scaled = values[order] * count * harmonic / np.arange(1, count + 1)
    corrected = np.minimum(1.0, np.minimum.accumulate(scaled[::-1])[::-1])
    out = np.empty(count)
    out[order] = corrected
    return out
