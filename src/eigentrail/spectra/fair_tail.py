"""The tail's exponent from square samples of one size: it moves less with the shape of the matrix.

The exponent of a spectrum depends on the aspect ratio even where all entries have one law. FARMS (Hu et al. 2025) pools
the spectra of parts of one aspect ratio. Here the parts are square, of at most 128 random rows and columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, Shaped

from eigentrail.errors import SpectrumError
from eigentrail.linalg.gram import power_of_two_scale
from eigentrail.spectra.power_law import fit_power_law

#: Rows and columns of a sample, and how many samples are drawn.
SIDE, SAMPLES = 128, 16
_LEAST = 8
_GROUPS = 8


@dataclass(frozen=True)
class FairTail:
    """The exponent of pooled square samples.

    Attributes:
        alpha: of the power law that is fitted to the eigenvalues of all samples.
        error: its standard error by the jackknife: eighths of the samples are left out in turn, and the tail is chosen
            anew; larger by the root of how often each row was drawn.
        side: rows and columns of a sample.
    """

    alpha: float
    error: float
    side: int


def fair_tail(stack: Shaped[np.ndarray, "k rows cols"], seed: int = 0) -> FairTail:
    """Fit a power law to the eigenvalues of square samples of a matrix.

    Rows and columns are dealt out at random, so that the samples share none as long as there are enough.

    Args:
        stack: [k, N, M] finite; of a pool each sample is of one matrix.
        seed: of the samples.

    Returns:
        Exponent, error and the side of the samples: 128, or M where that is less.

    Raises:
        SpectrumError: the short side is below 8, or the samples give no tail.
    """
    count, n, m = stack.shape
    side = min(SIDE, m)
    if side < _LEAST:
        raise SpectrumError(f"alpha_fair: square samples of {side} columns have no tail; {_LEAST} are needed")
    rng = np.random.default_rng([seed, count, n, m])
    rows, cols = _dealt(n, side, rng), _dealt(m, side, rng)
    scale = power_of_two_scale(stack)
    samples = np.stack(
        [stack[i % count][np.ix_(rows[i], cols[i])].astype(np.float64) / scale for i in range(SAMPLES)]
    )
    values = np.linalg.svd(samples, compute_uv=False) ** 2
    alpha = fit_power_law(values.ravel(), alternatives=False).alpha
    left = [
        fit_power_law(np.delete(values, slice(i, None, _GROUPS), axis=0).ravel(), alternatives=False).alpha
        for i in range(_GROUPS)
    ]
    # Samples that share rows are not independent.
    shared = max(1.0, SAMPLES * side / (count * n))
    error = float(np.std(left)) * ((_GROUPS - 1) * shared) ** 0.5
    return FairTail(alpha, error, side)


def _dealt(size: int, side: int, rng: np.random.Generator) -> Int[np.ndarray, "samples side"]:
    """Deal indices out to the samples, all of them before any a second time; no sample has one twice."""
    hands: list[np.ndarray] = []
    while len(hands) < SAMPLES:
        order = rng.permutation(size)
        hands += [order[start : start + side] for start in range(0, size - side + 1, side)]
    return np.stack(hands[:SAMPLES])
