"""The two laws that level spacings are compared with: Wigner's surmise and Poisson's."""

from __future__ import annotations

from typing import Any

import numpy as np

from eigentrail._arrays import like, to_float64

GOE_RATIO = 0.5307
"""Mean spacing ratio of large real symmetric random matrices (Atas et al. 2013, by simulation)."""

POISSON_RATIO = 2.0 * float(np.log(2.0)) - 1.0
"""Mean spacing ratio of independent levels, 0.3863."""


def wigner_surmise(s: Any) -> Any:
    """Evaluate Wigner's surmise, the density (pi s / 2) exp(-pi s^2 / 4) of spacings that repel (S1 eq. 4.3).

    It is exact for 2 x 2 matrices of the Gaussian orthogonal ensemble and within 2% for large ones.

    Args:
        s: spacings in units of their mean, any shape, numpy or torch.

    Returns:
        The density, zero for negative s, in the kind of array that was given.
    """
    x = np.maximum(to_float64(s), 0.0)
    return like(np.asarray(0.5 * np.pi * x * np.exp(-0.25 * np.pi * x * x)), s)


def wigner_surmise_cdf(s: Any) -> Any:
    """Evaluate the distribution function 1 - exp(-pi s^2 / 4) of Wigner's surmise.

    Args:
        s: spacings in units of their mean, any shape.

    Returns:
        The probability of a smaller spacing.
    """
    x = np.maximum(to_float64(s), 0.0)
    return like(np.asarray(-np.expm1(-0.25 * np.pi * x * x)), s)


def poisson(s: Any) -> Any:
    """Evaluate the density exp(-s) of spacings of independent levels.

    Args:
        s: spacings in units of their mean, any shape.

    Returns:
        The density, zero for negative s.
    """
    x = to_float64(s)
    return like(np.where(x < 0.0, 0.0, np.exp(-np.maximum(x, 0.0))), s)


def poisson_cdf(s: Any) -> Any:
    """Evaluate the distribution function 1 - exp(-s) of spacings of independent levels.

    Args:
        s: spacings in units of their mean, any shape.

    Returns:
        The probability of a smaller spacing.
    """
    return like(np.asarray(-np.expm1(-np.maximum(to_float64(s), 0.0))), s)


def ratio_density_goe(r: Any) -> Any:
    """Evaluate the density of the spacing ratio for levels that repel.

    The surmise (27/4) (r + r^2) / (1 + r + r^2)^(5/2) of Atas et al. 2013, exact for 3 x 3 matrices; its mean
    4 - 2 sqrt 3 = 0.5359 is 1% above that of large matrices, `GOE_RATIO`.

    Args:
        r: ratios min / max of neighbouring spacings, in [0, 1].

    Returns:
        The density, zero outside [0, 1].
    """
    x = to_float64(r)
    inside = np.clip(x, 0.0, 1.0)
    density = 6.75 * (inside + inside**2) / (1.0 + inside + inside**2) ** 2.5
    return like(np.where(inside == x, density, 0.0), r)


def ratio_density_poisson(r: Any) -> Any:
    """Evaluate the density 2 / (1 + r)^2 of the spacing ratio for independent levels.

    Args:
        r: ratios min / max of neighbouring spacings, in [0, 1].

    Returns:
        The density, zero outside [0, 1].
    """
    x = to_float64(r)
    inside = np.clip(x, 0.0, 1.0)
    return like(np.where(inside == x, 2.0 / (1.0 + inside) ** 2, 0.0), r)
