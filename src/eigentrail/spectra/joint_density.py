"""The joint density of all eigenvalues of a rotationally invariant random matrix."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64
from scipy.special import gammaln

from eigentrail.errors import OptionError, SpectrumError
from eigentrail.spectra.unfolding import check_levels

Potential = Callable[[Any], Any]
"""V: eigenvalues (any shape) to potentials of the same shape; +inf where no eigenvalue can be."""

_BLOCK = 1 << 21
"""Most differences of eigenvalues held in memory at once."""


@dataclass(frozen=True)
class WignerPotential:
    """V(x) = x^2 / (2 sigma^2).

    Attributes:
        sigma: standard deviation of the off-diagonal entries times sqrt N; the semicircle is [-2 sigma, 2
            sigma].
    """

    sigma: float | int = 1.0

    def __call__(self, x: Any) -> Any:
        """Evaluate the potential."""
        return np.square(x) / (2.0 * self.sigma**2)

    def log_partition(self, count: int, beta: float | int, size: float | int) -> float:
        """Give the log of the unnormalised density's integral over all of R^count (Mehta)."""
        rate = 0.5 * beta * size / self.sigma**2  # the weight is exp(-rate x^2 / 2)
        j = np.arange(1, count + 1)
        log_mehta = float(np.sum(gammaln(1.0 + 0.5 * beta * j) - gammaln(1.0 + 0.5 * beta)))
        powers = count + 0.5 * beta * count * (count - 1)
        return 0.5 * count * float(np.log(2.0 * np.pi)) + log_mehta - 0.5 * powers * float(np.log(rate))


@dataclass(frozen=True)
class WishartPotential:
    """V(x) = linear x + log_weight log x for x > 0, infinite elsewhere.

    Attributes:
        linear: coefficient of x.
        log_weight: coefficient of log x.
    """

    linear: float
    log_weight: float

    def __call__(self, x: Any) -> Any:
        """Evaluate the potential."""
        x = np.asarray(x, dtype=np.float64)
        inside = np.where(x > 0.0, x, 1.0)
        return np.where(x > 0.0, self.linear * inside + self.log_weight * np.log(inside), np.inf)

    def log_partition(self, count: int, beta: float | int, size: float | int) -> float:
        """Give the log of the unnormalised density's integral over positive levels (Selberg, Laguerre)."""
        gamma = 0.5 * beta
        rate = gamma * size * self.linear
        shape = 1.0 - gamma * size * self.log_weight  # the weight is x^(shape - 1) exp(-rate x)
        if shape <= 0.0 or rate <= 0.0:
            raise SpectrumError(
                f"this Wishart potential cannot be normalised for {count} eigenvalues: its weight is "
                f"x^{shape - 1:.3g} exp(-{rate:.3g} x); q must be at most 1."
            )
        j = np.arange(count)
        log_selberg = gammaln(shape + gamma * j) + gammaln(1.0 + gamma * (j + 1)) - gammaln(1.0 + gamma)
        powers = count * shape + gamma * count * (count - 1)
        return float(np.sum(log_selberg)) - powers * float(np.log(rate))


def wigner_potential(sigma: float | int = 1.0) -> WignerPotential:
    """Give the potential of symmetric Gaussian matrices, x^2 / (2 sigma^2) (S2).

    At beta = 1 and with N eigenvalues the density is exactly that of [N, N] symmetric matrices with
    off-diagonal variance sigma^2 / N and diagonal variance 2 sigma^2 / N.

    Args:
        sigma: see `WignerPotential`.

    Returns:
        The potential, for `log_density`.

    Raises:
        OptionError: if sigma is not positive.
    """
    if not 0.0 < sigma < np.inf:
        raise OptionError(f"sigma must be positive, not {sigma}.")
    return WignerPotential(float(sigma))


def wishart_potential(
    q: float | int, *, sigma: float | int = 1.0, count: int | None = None, beta: float | int = 1.0
) -> WishartPotential:
    """Give the potential of W^T W / N for Gaussian W [N, M], q = M / N.

    S2 prints V(x) = (x + (q - 1) log x) / q. With M eigenvalues that is the weight x^((beta/2)(N - M)), the
    leading order for large M: the exact weight is x^((beta/2)(N - M + 1) - 1), which for real matrices (beta
    = 1) is (N - M - 1) / 2, half a power less, and for complex ones (beta = 2) the same. Give `count` for the
    exact one; it adds (2 - beta) / (beta M) log x to V.

    Args:
        q: columns over rows, M / N, in (0, 1].
        sigma: standard deviation of the entries.
        count: number M of eigenvalues, for the exact potential; None for S2's leading order.
        beta: 1 real, 2 complex, 4 quaternion entries; any positive number is allowed.

    Returns:
        The potential, for `log_density` with the same beta and M eigenvalues.

    Raises:
        OptionError: if an argument is outside what it may be.
    """
    if not 0.0 < q <= 1.0:
        raise OptionError(f"q = columns / rows must be in (0, 1] (rows are the longer side), not {q}.")
    if not 0.0 < sigma < np.inf:
        raise OptionError(f"sigma must be positive, not {sigma}.")
    if not 0.0 < beta < np.inf or (count is not None and count < 1):
        raise OptionError(f"beta must be positive and count at least 1, not {beta} and {count}.")
    exact = 0.0 if count is None else (2.0 - beta) / (beta * count)
    return WishartPotential(linear=float(1.0 / (q * sigma**2)), log_weight=float((q - 1.0) / q + exact))


def log_density(
    eigenvalues: Any, potential: Potential, beta: float | int = 1.0, size: float | int | None = None
) -> Any:
    """Evaluate the log of the joint density prod_{i<j} |l_i - l_j|^beta exp(-(beta/2) N sum_i V(l_i)) (S2).

    The density is over all of R^n, eigenvalues unordered; for ascending ones add log n!. It is normalised for
    potentials that know their integral (`wigner_potential`, `wishart_potential`, any object with the same
    `log_partition` method), else up to a constant: see `log_normalisation`.

    Args:
        eigenvalues: [n], or [k, n] for k matrices.
        potential: V, any callable on arrays.
        beta: 1 for real symmetric matrices (S2), 2 Hermitian, 4 self-dual; any positive number is allowed.
        size: N of the exponent; default n.

    Returns:
        A float for [n], float64 [k] for [k, n]. Minus infinity, the log of zero, where two eigenvalues are
        equal or one is where the potential is infinite.

    Raises:
        OptionError: if `beta` or `size` is not positive.
        SpectrumError: if eigenvalues are not finite or none, or the potential gives NaN, minus infinity or
            another shape.
    """
    levels = check_levels(eigenvalues)
    if levels.ndim not in {1, 2}:
        raise SpectrumError(f"eigenvalues are [n] or [k, n], not an array of shape {levels.shape}.")
    rows = levels.reshape(-1, levels.shape[-1])
    n = rows.shape[1]
    constant = log_normalisation(potential, n, beta, size)
    energy = np.asarray(potential(rows), dtype=np.float64)
    if energy.shape != rows.shape:
        raise SpectrumError(f"the potential gave shape {energy.shape} for eigenvalues of shape {rows.shape}.")
    if np.isnan(energy).any() or np.isneginf(energy).any():
        raise SpectrumError(
            "the potential is NaN or minus infinity at an eigenvalue; give +inf where none can be."
        )
    repulsion = _log_vandermonde(rows)
    weight = 0.5 * beta * (n if size is None else size) * energy.sum(axis=1)
    # Both can be infinite, in the same direction: log 0.
    result = beta * repulsion - weight - (0.0 if constant is None else constant)
    return float(result[0]) if levels.ndim == 1 else result


def log_normalisation(
    potential: Potential, count: int, beta: float | int = 1.0, size: float | int | None = None
) -> float | None:
    """Give the log of the integral of the unnormalised density over all (unordered) eigenvalues.

    Args:
        potential: V.
        count: number n of eigenvalues.
        beta: see `log_density`.
        size: N of the exponent; default n.

    Returns:
        The log of the integral; None for a potential without a closed form.

    Raises:
        OptionError: if `count`, `beta` or `size` is not positive.
        SpectrumError: if the potential knows that its integral diverges.
    """
    if count < 1 or not 0.0 < beta < np.inf or (size is not None and not 0.0 < size < np.inf):
        raise OptionError(f"count, beta and size must be positive, not {count}, {beta} and {size}.")
    formula = getattr(potential, "log_partition", None)
    return None if formula is None else float(formula(count, beta, count if size is None else size))


def _log_vandermonde(rows: Float64[np.ndarray, "k n"]) -> Float64[np.ndarray, "k"]:
    """Sum log |l_i - l_j| over pairs i < j, for each of k spectra."""
    rows = np.sort(rows, axis=1)
    count, n = rows.shape
    total = np.zeros(count)
    # By distance in rank: one vectorised pass over k * (n - d) differences for each d; none is stored twice.
    step = max(1, _BLOCK // (count * n))
    with np.errstate(divide="ignore"):
        for start in range(1, n, step):
            gaps = [rows[:, d:] - rows[:, :-d] for d in range(start, min(start + step, n))]
            total += np.log(np.concatenate(gaps, axis=1)).sum(axis=1)
    return total
