"""What pure noise gives for the distance of a bulk to its own Marchenko-Pastur fit."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.linalg
from jaxtyping import Float64

from eigentrail.errors import SpectrumError
from eigentrail.spectra.marchenko_pastur import fit_marchenko_pastur

_MOST_DRAWS, _FEWEST_DRAWS = 200, 20
# Eigenvalues squared, over all draws: keeps the price of large matrices in seconds.
_WORK = 2e7


@dataclass(frozen=True)
class NoiseBulk:
    """The Kolmogorov-Smirnov distance between the bulk of Gaussian noise and the fitted law.

    Attributes:
        mean: its mean.
        high: its 95% quantile: a bulk below it cannot be told from noise at that level.
        draws: over how many random matrices.
    """

    mean: float
    high: float
    draws: int


@lru_cache(maxsize=256)
def noise_bulk(rows: int, cols: int, matrices: int = 1, seed: int = 0) -> NoiseBulk | None:
    """Draw Gaussian matrices of one shape and fit each as a weight matrix is fitted.

    Only eigenvalues are drawn, exactly, from the bidiagonal form of such a matrix (Dumitriu & Edelman 2002).

    Args:
        rows: N, the longer side.
        cols: M, the shorter side.
        matrices: how many are pooled.
        seed: seed of the draws.

    Returns:
        The distances; None for a shape that is too small for a fit.
    """
    draws = int(np.clip(_WORK / (matrices * cols**2), _FEWEST_DRAWS, _MOST_DRAWS))
    rng = np.random.default_rng([seed, rows, cols, matrices])
    try:
        found = [
            fit_marchenko_pastur(
                np.concatenate([wishart_eigenvalues(rows, cols, rng) for _ in range(matrices)]),
                rows,
                cols,
                matrices=matrices,
            ).ks_distance
            for _ in range(draws)
        ]
    except SpectrumError:
        return None
    return NoiseBulk(float(np.mean(found)), float(np.quantile(found, 0.95)), draws)


def wishart_eigenvalues(rows: int, cols: int, rng: np.random.Generator) -> Float64[np.ndarray, " cols"]:
    """Draw the eigenvalues of W^T W / N for W with independent standard normal entries.

    Args:
        rows: N, at least `cols`.
        cols: M.
        rng: the generator to draw from.

    Returns:
        [M], ascending; the law is that of the matrix itself, without the matrix (Dumitriu & Edelman 2002, beta = 1).
    """
    diagonal = np.sqrt(rng.chisquare(rows - np.arange(cols)))
    below = np.sqrt(rng.chisquare(np.arange(cols - 1, 0, -1)))
    main = diagonal**2
    main[1:] += below**2
    values = scipy.linalg.eigvalsh_tridiagonal(main, diagonal[:-1] * below)
    return np.asarray(np.maximum(values, 0.0) / rows)
