"""Level spacings of a Hessian, its null space taken out at the precision that the matrix was computed in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float64

from eigentrail._arrays import to_float64
from eigentrail._numbers import real, whole
from eigentrail.errors import OptionError, SpectrumError
from eigentrail.spectra import Spacings, Spectrum, spacings

Precision = Literal["float32", "float64"]


@dataclass(frozen=True)
class HessianLevels:
    """Eigenvalues of a Hessian without its null space.

    Attributes:
        levels: what is left [m], ascending, weight decay taken off.
        null: how many eigenvalues were in the null space.
        floor: up to which absolute value they count as zero.
        positive: number of positive levels.
        negative: number of negative levels.
    """

    levels: Float64[np.ndarray, " m"]
    null: int
    floor: float
    positive: int
    negative: int


def hessian_levels(
    eigenvalues: Any,
    *,
    weight_decay: float = 0.0,
    precision: Precision = "float64",
    tolerance: float | None = None,
) -> HessianLevels:
    """Take the null space out of a Hessian's eigenvalues.

    A Hessian of a network has many exact zeros (inputs that are always zero, dead units, symmetries), which
    the computer returns as rounding noise of about the rounding unit times the largest eigenvalue. The noise
    is that of a random matrix: left in, it repels like one and makes any spectrum look like Wigner's. So what
    is below n rounding units of the largest eigenvalue goes. With weight decay the null space lies at 2
    lambda, which is taken off first.

    Args:
        eigenvalues: [n] in any order, or a `Spectrum`.
        weight_decay: lambda of lambda ||w||^2 if the Hessian has that term (2 lambda 1), else 0.
        precision: in which the matrix was computed, whatever it was diagonalised in.
        tolerance: share of the largest absolute value that still counts as zero; None for n rounding units.

    Returns:
        The levels.

    Raises:
        OptionError: weight decay, precision or tolerance is outside what it may be.
        SpectrumError: there are no finite eigenvalues, or nothing but null space.
    """
    values = to_float64(eigenvalues.eigenvalues if isinstance(eigenvalues, Spectrum) else eigenvalues)
    if values.ndim != 1 or not values.size or not np.isfinite(values).all():
        raise SpectrumError(
            f"levels are those of one matrix, finite numbers [n], not of shape {values.shape}."
        )
    if precision not in {"float32", "float64"}:
        raise OptionError(f'precision is "float32" or "float64", not {precision!r}.')
    if tolerance is not None and not 0.0 <= tolerance < 1.0:
        raise OptionError(f"tolerance is a share from 0 to below 1, not {tolerance}.")
    decay = real("weight_decay", weight_decay)
    # The rounding is that of the matrix as it was diagonalised, its diagonal of 2 lambda included.
    unit = float(np.finfo(precision).eps)
    share = values.size * unit if tolerance is None else tolerance
    floor = share * float(np.abs(values).max())
    levels = np.sort(values - 2.0 * decay)
    kept = levels[np.abs(levels) > floor]
    if not kept.size:
        raise SpectrumError(
            f"all {values.size} eigenvalues are within {floor:.3g} of the null space: compute the Hessian in float64."
        )
    return HessianLevels(
        levels=kept,
        null=values.size - kept.size,
        floor=floor,
        positive=int((kept > 0.0).sum()),
        negative=int((kept < 0.0).sum()),
    )


def hessian_spacings(
    eigenvalues: Any,
    *,
    weight_decay: float = 0.0,
    precision: Precision = "float64",
    tolerance: float | None = None,
    sign: Literal["both", "positive", "negative"] = "both",
    window: int = 10,
) -> Spacings:
    """Compute the level statistics of a Hessian, null space out (S1 figure 7.16, S2).

    Args:
        eigenvalues: see `hessian_levels`.
        weight_decay: see `hessian_levels`.
        precision: see `hessian_levels`.
        tolerance: see `hessian_levels`.
        sign: which levels to take; the gap that the null space leaves is one spacing of "both".
        window: neighbours on either side for the unfolding, 10 in S1.

    Returns:
        The statistics: unfolded spacings, spacing ratios, agreement with Wigner and Poisson.

    Raises:
        OptionError: `sign` is none of the three, or the window no whole number.
        SpectrumError: no level is left.
    """
    window = whole("window", window, 1)
    found = hessian_levels(eigenvalues, weight_decay=weight_decay, precision=precision, tolerance=tolerance)
    if sign not in {"both", "positive", "negative"}:
        raise OptionError(f'sign is "both", "positive" or "negative", not {sign!r}.')
    levels = found.levels
    if sign != "both":
        levels = levels[levels > 0.0] if sign == "positive" else levels[levels < 0.0]
    if not levels.size:
        raise SpectrumError(f"no level is {sign}.")
    # What counts as null space has been decided; the rule of `spacings` is not to decide again.
    return spacings(levels, window=window, tolerance=0.0)
