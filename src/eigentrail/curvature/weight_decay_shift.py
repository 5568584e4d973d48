"""The shift of all Hessian eigenvalues by 2 lambda under weight decay, measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from eigentrail._arrays import to_float64
from eigentrail.errors import OptionError, SpectrumError
from eigentrail.spectra import Spectrum

_FEWEST = 10


@dataclass(frozen=True)
class WeightDecayShift:
    """How far eigenvalues were moved.

    Attributes:
        shift: the shift, 2 lambda in theory.
        spread: half the width of what it was measured on: the largest deviation of a single eigenvalue's shift
            from it, or half the width of the cluster.
        weight_decay: lambda = shift / 2 of the term lambda ||w||^2 (torch's `weight_decay` is 2 lambda).
        method: "pairs" or "null space"; "central differences" where gradients were differenced along eigenvectors.
        count: how many eigenvalues or eigenvectors it was measured on.
        note: what the reader should know, or None.
    """

    shift: float
    spread: float
    weight_decay: float
    method: str
    count: int
    note: str | None = None


def weight_decay_shift(with_decay: Any, without: Any = None, *, share: float = 0.1) -> WeightDecayShift:
    """Measure the shift of a Hessian's eigenvalues by weight decay.

    Two spectra at the same weights: the eigenvalues are paired by rank and the shift is the median of their
    differences. One spectrum: the null space of the loss without decay moves to 2 lambda, so that the densest
    cluster of eigenvalues, the shortest interval that holds a share of them, is where it lies. At weights that
    were trained without the decay, or in the other minimum that a training with it finds, only the second is
    meant.

    Args:
        with_decay: eigenvalues [n] of the Hessian with the decay's term, or a `Spectrum`.
        without: eigenvalues [n] of that without it, at the same weights; None to take the null space.
        share: how much of the spectrum the cluster holds at least.

    Returns:
        The shift. A note says where the cluster is no narrower than the spectrum around it, and so no null
        space.

    Raises:
        OptionError: `share` is outside (0, 1), or the spectra differ in length.
        SpectrumError: there are fewer than 16 eigenvalues, or some are not finite.
    """
    shifted = _values(with_decay)
    if without is not None:
        plain = _values(without)
        if plain.size != shifted.size:
            raise OptionError(
                f"{shifted.size} and {plain.size} eigenvalues cannot be paired: give both spectra in full."
            )
        gaps = shifted - plain
        shift = float(np.median(gaps))
        return WeightDecayShift(
            shift, float(np.abs(gaps - shift).max()), shift / 2.0, "pairs", int(gaps.size)
        )
    if not 0.0 < share < 1.0:
        raise OptionError(f"share is between 0 and 1, not {share}.")
    count = max(_FEWEST // 2, int(np.ceil(share * shifted.size)))
    widths = shifted[count - 1 :] - shifted[: shifted.size - count + 1]
    first = int(widths.argmin())
    low, high = shifted[first], shifted[first + count - 1]
    size = float(np.abs(shifted).max())
    narrow = high - low <= 1e-6 * size
    return WeightDecayShift(
        shift=float(np.median(shifted[first : first + count])),
        spread=float(high - low) / 2.0,
        weight_decay=float(np.median(shifted[first : first + count])) / 2.0,
        method="null space",
        count=count,
        note=None
        if narrow
        else f"the densest {share:.0%} of the eigenvalues are {high - low:.2g} wide: the Hessian has no exact null "
        "space of that size, and the shift is uncertain by that much",
    )


def _values(eigenvalues: Any) -> Float64[np.ndarray, " n"]:
    values = to_float64(eigenvalues.eigenvalues if isinstance(eigenvalues, Spectrum) else eigenvalues)
    if values.ndim != 1 or values.size < _FEWEST or not np.isfinite(values).all():
        raise SpectrumError(
            f"the shift needs at least {_FEWEST} finite eigenvalues [n], not an array of shape {values.shape}."
        )
    return np.sort(values)
