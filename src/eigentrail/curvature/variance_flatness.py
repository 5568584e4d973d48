"""Variance of a trajectory along eigenvectors against their eigenvalues: sigma_i^2 ~ h_i^alpha."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import xarray as xr
from jaxtyping import Float64

from eigentrail._arrays import to_float64
from eigentrail.bases import Basis
from eigentrail.errors import BasisError, OptionError

_BLOCK = 2**22
_FEWEST = 3


@dataclass(frozen=True)
class PowerFit:
    """A straight line in log h and log sigma^2.

    Attributes:
        exponent: its slope alpha; None with fewer than three directions.
        error: standard error of the slope, without the assumption of equal variances (HC3).
        log_prefactor: log sigma^2 at h = 1.
        scatter: standard deviation of log sigma^2 about the line.
        count: how many directions it was fitted to.
    """

    exponent: float | None
    error: float | None
    log_prefactor: float | None
    scatter: float | None
    count: int


@dataclass(frozen=True)
class VarianceFlatness:
    """The variance-flatness relation of a trajectory.

    Attributes:
        values: the positive eigenvalues h_i that were used [k], largest first.
        variances: sigma_i^2 along them [k].
        all: one power law through all of them.
        below: one through those below `h_cross`; None without `h_cross`.
        above: one through those above it.
        h_cross: where theory lets the law change, 3 S (1 - beta) / (eta N_train); None if not given.
        h_break: where a line with one corner fits best; None with fewer than 12 directions.
        break_gain: share of the squared scatter about one line that the corner removes, 0 to 1.
        left_out: directions of the null space (h_i up to the rounding of the largest), with negative h_i or with
            sigma_i^2 = 0: they have no logarithm, or none that means anything.
    """

    values: Float64[np.ndarray, " k"]
    variances: Float64[np.ndarray, " k"]
    all: PowerFit
    below: PowerFit | None
    above: PowerFit | None
    h_cross: float | None
    h_break: float | None
    break_gain: float | None
    left_out: int


def crossing_curvature(
    batch_size: int, learning_rate: float, train_samples: int, momentum: float = 0.0
) -> float:
    """Compute h_cross = 3 S (1 - beta) / (eta N_train) (S1 below eq. 3.9).

    Samples that are drawn without replacement make the noise of an epoch sum to zero. Along directions that
    relax slower than an epoch, h < h_cross, the variance is then proportional to the noise, which is
    proportional to h; above it is constant.

    Args:
        batch_size: S.
        learning_rate: eta.
        train_samples: N_train, samples in an epoch.
        momentum: beta.

    Returns:
        The curvature at which the law changes.

    Raises:
        OptionError: a number is outside what it may be.
    """
    if batch_size < 1 or train_samples < batch_size or not learning_rate > 0.0 or not 0.0 <= momentum < 1.0:
        raise OptionError(
            "h_cross needs 1 <= batch size <= samples, a positive rate and a momentum from 0 to below 1, not "
            f"{batch_size}, {train_samples}, {learning_rate} and {momentum}."
        )
    return 3.0 * batch_size * (1.0 - momentum) / (learning_rate * train_samples)


def variance_along(
    basis: Basis, x: Any, of: Literal["weights", "updates"] = "weights"
) -> Float64[np.ndarray, " k"]:
    """Compute the variance of a trajectory along each direction.

    Args:
        basis: k directions of n parameters.
        x: [T, ...] weights over steps, as `run[layer]`; or a sequence of these, one for each parameter in the
            order of the directions' entries, which together have n numbers at each step.
        of: "weights" w(t), divided by T, or "updates" w(t + 1) - w(t), divided by T - 1; both centred.

    Returns:
        [k] variances, float64.

    Raises:
        BasisError: the trajectory does not fit the basis or is not finite.
        OptionError: `of` is neither, or there are fewer than three steps.
    """
    if of not in {"weights", "updates"}:
        raise OptionError(f'of is "weights" or "updates", not {of!r}.')
    parts = list(x) if isinstance(x, (list, tuple)) else [x]
    steps = {len(part) for part in parts}
    if len(steps) != 1 or min(steps) < _FEWEST:
        raise OptionError(
            f"a variance needs at least {_FEWEST} steps, the same for every parameter, not {sorted(steps)}."
        )
    count = steps.pop()
    scores = np.empty((count, basis.k))
    block = max(2, _BLOCK // basis.n)
    origin = _rows(parts, 0, 1)[0]
    if origin.size != basis.n:
        raise BasisError(
            f"the weights have {origin.size} numbers at a step and the directions {basis.n}: give the parameters that "
            "the directions are of, in their order."
        )
    for first in range(0, count, block):
        rows = _rows(parts, first, min(first + block, count)) - origin
        scores[first : first + len(rows)] = to_float64(basis.coordinates(rows)).reshape(len(rows), basis.k)
    found = scores if of == "weights" else np.diff(scores, axis=0)
    return np.asarray(found.var(axis=0))


def variance_flatness(
    eigenvalues: Any, variances: Any, *, h_cross: float | None = None, tolerance: float | None = None
) -> VarianceFlatness:
    """Fit sigma_i^2 ~ h_i^alpha (S1 eqs. 3.8 and 3.9).

    Args:
        eigenvalues: h_i [k], or a basis with these values.
        variances: sigma_i^2 [k] of the trajectory along the same directions.
        h_cross: fit below and above it too, see `crossing_curvature`.
        tolerance: share of the largest |h_i| up to which a direction is of the null space; None for n rounding units.

    Returns:
        The exponents with their errors. For noise proportional to the Hessian theory has 0 for the weights
        above h_cross, 1 below it, and 1 for the updates above it.

    Raises:
        OptionError: the numbers do not fit together, some are not finite, fewer than three are left, or `tolerance`
            is no share.
    """
    n = eigenvalues.n if isinstance(eigenvalues, Basis) else len(eigenvalues)
    h = to_float64(eigenvalues.values if isinstance(eigenvalues, Basis) else eigenvalues)
    s = to_float64(variances)
    if h.ndim != 1 or h.shape != s.shape or not (np.isfinite(h).all() and np.isfinite(s).all()):
        raise OptionError(
            f"eigenvalues and variances are finite numbers [k], not of shapes {h.shape} and {s.shape}."
        )
    share = n * float(np.finfo(np.float64).eps) if tolerance is None else tolerance
    if not 0.0 <= share < 1.0:
        raise OptionError(f"tolerance is a share from 0 to below 1, not {tolerance}.")
    order = np.argsort(-h, kind="stable")
    h, s = h[order], s[order]
    usable = (h > share * np.abs(h).max(initial=0.0)) & (s > 0.0)
    h, s = h[usable], s[usable]
    if h.size < _FEWEST:
        raise OptionError(
            f"{h.size} directions have positive curvature and variance and a power law needs {_FEWEST}: take more."
        )
    x, y = np.log(h), np.log(s)
    at, gain = _corner(x, y)
    return VarianceFlatness(
        values=h,
        variances=s,
        all=_line(x, y),
        below=None if h_cross is None else _line(x[h < h_cross], y[h < h_cross]),
        above=None if h_cross is None else _line(x[h >= h_cross], y[h >= h_cross]),
        h_cross=h_cross,
        h_break=at,
        break_gain=gain,
        left_out=int((~usable).sum()),
    )


def variance_flatness_of(
    basis: Basis,
    x: Any,
    *,
    h_cross: float | None = None,
) -> dict[str, VarianceFlatness]:
    """Fit the relation for the weights and for the updates of one trajectory.

    Args:
        basis: eigenvectors with their eigenvalues.
        x: see `variance_along`.
        h_cross: see `crossing_curvature`.

    Returns:
        The fits of "weights" and "updates".
    """
    kinds: Sequence[Literal["weights", "updates"]] = ("weights", "updates")
    return {of: variance_flatness(basis, variance_along(basis, x, of), h_cross=h_cross) for of in kinds}


def _rows(parts: Sequence[Any], start: int, stop: int) -> Float64[np.ndarray, "b n"]:
    found = []
    for part in parts:
        cut = part[start:stop]
        values = to_float64(cut.values if isinstance(cut, xr.DataArray) else cut)
        found.append(values.reshape(stop - start, -1))
    return np.concatenate(found, axis=1)


def _line(x: Float64[np.ndarray, " k"], y: Float64[np.ndarray, " k"]) -> PowerFit:
    if x.size < _FEWEST or np.ptp(x) == 0.0:
        return PowerFit(None, None, None, None, int(x.size))
    far = x - x.mean()
    spread = float(far @ far)
    slope = float(far @ y) / spread
    left = y - y.mean() - slope * far
    leverage = np.minimum(1.0 / x.size + far**2 / spread, 1.0 - 1e-9)
    error = float(np.sqrt(np.sum((far * left / (1.0 - leverage)) ** 2)) / spread)
    scatter = float(np.sqrt(left @ left / (x.size - 2)))
    return PowerFit(slope, error, float(y.mean() - slope * x.mean()), scatter, int(x.size))


_CORNER = 12


def _corner(x: Float64[np.ndarray, " k"], y: Float64[np.ndarray, " k"]) -> tuple[float | None, float | None]:
    if x.size < _CORNER or np.ptp(x) == 0.0:
        return None, None
    line = np.linalg.qr(np.column_stack([np.ones_like(x), x]))[0]
    plain = y - line @ (line.T @ y)
    total = float(plain @ plain)
    if total == 0.0:
        return None, None
    # At least three directions on either side of the corner; what a bend there adds to the line.
    places = np.linspace(np.sort(x)[2], np.sort(x)[-3], 200)
    bends = np.maximum(x[None] - places[:, None], 0.0)
    bends -= (bends @ line) @ line.T
    sizes = np.einsum("pk,pk->p", bends, bends)
    gains = np.divide((bends @ plain) ** 2, sizes, out=np.zeros_like(sizes), where=sizes > 0.0)
    best = int(gains.argmax())
    if not gains[best] > 0.0:
        return None, 0.0
    return float(np.exp(places[best])), float(gains[best]) / total
