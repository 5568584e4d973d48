"""The Marchenko-Pastur law: its density, distribution function and quantiles in closed form.

All are for the eigenvalues of W^T W / N, W [N, M] with independent entries of standard deviation `sigma`, q =
M / N <= 1. Internally an eigenvalue is written as sigma^2 (1 + q - 2 sqrt(q) cos(phi)), phi in [0, pi], in
which the law is smooth.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from eigentrail.errors import OptionError

_GRID = np.linspace(0.0, np.pi, 1025)
_SERIES_BELOW = 1e-2  # of sqrt(q): the closed form divides by it, the series does not
_NEWTON_STEPS = 60


def _root(q: float) -> float:
    if not 0.0 < q <= 1.0:
        raise OptionError(
            f"The Marchenko-Pastur law needs 0 < q <= 1, not {q}: let rows be the larger dimension."
        )
    return float(np.sqrt(q))


def _variance(sigma: float) -> float:
    if not 0.0 < sigma < np.inf:
        raise OptionError(f"The Marchenko-Pastur law needs a positive, finite sigma, not {sigma}.")
    return sigma * sigma


def angle_cdf(phi: Float64[np.ndarray, "*n"], r: float) -> Float64[np.ndarray, "*n"]:
    """Give the distribution function at the angle phi.

    Args:
        phi: angles in [0, pi].
        r: sqrt(q).

    Returns:
        Probabilities, of the shape of `phi`.
    """
    if r < _SERIES_BELOW:
        total = phi - np.sin(2.0 * phi) / 2.0
        for m in range(1, 9):
            total = total + r**m * (np.sin(m * phi) / m - np.sin((m + 2) * phi) / (m + 2))
        return np.asarray(total / np.pi)
    sine = np.sin(phi)
    turn = np.arctan2(r * sine, 1.0 - r * np.cos(phi))
    return np.asarray((phi + sine / r - ((1.0 - r * r) / (r * r)) * turn) / np.pi)


def angle_quantile(p: Float64[np.ndarray, "*n"], r: float) -> Float64[np.ndarray, "*n"]:
    """Invert `angle_cdf` by Newton steps that never leave their bracket.

    Args:
        p: probabilities in [0, 1].
        r: sqrt(q).

    Returns:
        Angles in [0, pi], of the shape of `p`.
    """
    table = angle_cdf(_GRID, r)
    cell = np.clip(np.searchsorted(table, p), 1, _GRID.size - 1)
    low, high = _GRID[cell - 1], _GRID[cell]
    phi = (low + high) / 2.0
    for _ in range(_NEWTON_STEPS):
        miss = angle_cdf(phi, r) - p
        low, high = np.where(miss <= 0.0, phi, low), np.where(miss >= 0.0, phi, high)
        # the slope is (2 / pi) sin^2 phi / (1 + r^2 - 2 r cos phi); its inverse may be infinite at the very
        # ends
        size = (1.0 - r) ** 2 + 4.0 * r * np.sin(phi / 2.0) ** 2
        sine2 = np.maximum(np.sin(phi) ** 2, 1e-300)
        step = miss * (np.pi / 2.0) * size / sine2
        after = phi - step
        after = np.where((after > low) & (after < high), after, (low + high) / 2.0)
        if np.all(np.abs(after - phi) <= 1e-15 * np.pi):
            return after
        phi = after
    return phi


def edges(q: float, sigma: float = 1.0) -> tuple[float, float]:
    """Give both edges of the bulk.

    Args:
        q: cols / rows, 0 < q <= 1.
        sigma: standard deviation of the entries.

    Returns:
        sigma^2 (1 - sqrt q)^2 and sigma^2 (1 + sqrt q)^2.
    """
    r, s2 = _root(q), _variance(sigma)
    return s2 * (1.0 - r) ** 2, s2 * (1.0 + r) ** 2


def density(x: Float64[np.ndarray, "..."], q: float, sigma: float = 1.0) -> Float64[np.ndarray, "..."]:
    """Give the density sqrt((l+ - x)(x - l-)) / (2 pi q sigma^2 x), zero outside the bulk.

    Args:
        x: eigenvalues, any shape.
        q: cols / rows, 0 < q <= 1.
        sigma: standard deviation of the entries.

    Returns:
        The density per unit of eigenvalue, of the shape of `x`; it integrates to 1. For q = 1 it diverges
        towards 0 and is given as 0 at 0 itself.
    """
    low, high = edges(q, sigma)
    x = np.asarray(x, dtype=np.float64)
    inside = (x > low) & (x < high)
    safe = np.where(inside, x, high)
    return np.asarray(
        np.sqrt(np.maximum((high - safe) * (safe - low), 0.0)) / (2.0 * np.pi * q * sigma**2 * safe)
    )


def cdf(x: Float64[np.ndarray, "..."], q: float, sigma: float = 1.0) -> Float64[np.ndarray, "..."]:
    """Give the share of eigenvalues at or below x, in closed form.

    Args:
        x: eigenvalues, any shape.
        q: cols / rows, 0 < q <= 1.
        sigma: standard deviation of the entries.

    Returns:
        Probabilities, of the shape of `x`.
    """
    r, s2 = _root(q), _variance(sigma)
    x = np.asarray(x, dtype=np.float64)
    phi = np.asarray(np.arccos(np.clip((1.0 + q - x / s2) / (2.0 * r), -1.0, 1.0)))
    return np.asarray(np.clip(angle_cdf(phi, r), 0.0, 1.0))


def quantile(
    p: Float64[np.ndarray, "..."] | float, q: float, sigma: float = 1.0
) -> Float64[np.ndarray, "..."]:
    """Invert `cdf`.

    Args:
        p: probabilities in [0, 1], any shape.
        q: cols / rows, 0 < q <= 1.
        sigma: standard deviation of the entries.

    Returns:
        Eigenvalues, of the shape of `p`.

    Raises:
        OptionError: a probability is outside [0, 1].
    """
    r, s2 = _root(q), _variance(sigma)
    p = np.asarray(p, dtype=np.float64)
    if not np.all((p >= 0.0) & (p <= 1.0)):
        raise OptionError("A quantile needs probabilities between 0 and 1.")
    half = angle_quantile(p, r) / 2.0
    # (1 - r)^2 + 4 r sin^2(phi / 2): 1 + q - 2 r cos(phi) without its cancellation near the lower edge
    return np.asarray(s2 * ((1.0 - r) ** 2 + 4.0 * r * np.sin(half) ** 2))
