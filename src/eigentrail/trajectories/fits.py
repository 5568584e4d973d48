"""Straight lines and exponentials through a number over steps, with errors that hold for noise with a memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
from jaxtyping import Float64
from scipy.optimize import minimize_scalar

# Detrended white noise has a ratio of squared steps to squares of 2, a detrended random walk of T steps one of about
# 15 / T. Below the first over T, and the second, the residuals are taken for a walk.
_WALK, _MOST_WALK = 75.0, 1.2
_GRID = 60


@dataclass(frozen=True)
class LinearFit:
    """a (t - t0) + b.

    Attributes:
        slope: a, per unit of t.
        slope_error: one standard error of it, for the noise that the residuals show.
        intercept: b, the value at the first t.
        intercept_error: one standard error of it.
        r2: share of the variance that the line explains.
        noise: "walk" where the residuals are a random walk, "stationary" where they return.
        inflation: how much larger the error is than for independent residuals.
    """

    slope: float
    slope_error: float
    intercept: float
    intercept_error: float
    r2: float
    noise: str
    inflation: float


@dataclass(frozen=True)
class ExponentialFit:
    """amplitude exp(-rate (t - t0)) + limit.

    Attributes:
        rate: decay rate; negative for a motion that becomes faster.
        rate_error: one standard error of it.
        limit: value that a decaying motion tends to.
        limit_error: one standard error of it.
        amplitude: distance from the limit at the first t.
        amplitude_error: one standard error of it.
        r2: share of the variance that the curve explains.
        curved: True where the rate differs from 0 by more than two errors: the motion is no straight line.
    """

    rate: float
    rate_error: float
    limit: float
    limit_error: float
    amplitude: float
    amplitude_error: float
    r2: float
    curved: bool


def fit_line(t: Float64[np.ndarray, " t"], y: Float64[np.ndarray, " t"]) -> LinearFit:
    """Fit a straight line.

    The error of the slope is that of generalised noise: with residuals that return to zero the
    heteroskedasticity and autocorrelation consistent one (Newey & West 1987), with residuals that walk
    sqrt(6 T / 5) w / duration, where w^2 is the long-run variance of their steps (Durlauf & Phillips 1988).

    Args:
        t: [T >= 3] ascending.
        y: [T].

    Returns:
        The fit.
    """
    count, x = len(t), t - t.mean()
    spread = float(x @ x)
    slope = float(x @ y) / spread
    residual = y - y.mean() - slope * x
    left = float(residual @ residual)
    white = np.sqrt(left / max(1, count - 2) / spread)
    steps = np.diff(residual)
    walks = left > 0.0 and float(steps @ steps) / left < min(_WALK / count, _MOST_WALK) and count > 30
    if walks:
        long_run = _long_run(steps, int(np.ceil(1.5 * count ** (1 / 3))))
        error = np.sqrt(1.2 * long_run * count) / (t[-1] - t[0])
    else:
        # The factor makes up for the degrees of freedom that the line takes.
        scores = x * residual
        error = np.sqrt(max(0.0, _long_run(scores, int(np.sqrt(count)))) * count / spread**2)
        error *= np.sqrt(count / max(1, count - 2))
    error = max(float(error), float(white))
    inflation = error / white if white > 0.0 else 1.0
    total = float(((y - y.mean()) ** 2).sum())
    return LinearFit(
        slope=slope,
        slope_error=error,
        intercept=float(y.mean() - slope * (t.mean() - t[0])),
        intercept_error=float(inflation * white * np.sqrt(spread / count + (t.mean() - t[0]) ** 2)),
        r2=1.0 - left / total if total > 0.0 else 0.0,
        noise="walk" if walks else "stationary",
        inflation=float(inflation),
    )


def fit_exponential(
    t: Float64[np.ndarray, " t"], y: Float64[np.ndarray, " t"], inflation: float = 1.0
) -> ExponentialFit:
    """Fit an exponential approach to a limit, the rate by search and the rest by least squares.

    Args:
        t: [T >= 4] ascending.
        y: [T].
        inflation: what the errors of independent residuals are multiplied with.

    Returns:
        The fit.
    """
    duration = float(t[-1] - t[0])
    x = (t - t[0]) / duration
    magnitudes = np.geomspace(1e-2, 50.0, _GRID)
    grid = np.concatenate([-magnitudes[magnitudes < 8.0][::-1], magnitudes])

    def left(rate: float) -> float:
        basis = _basis(x, rate)
        residual = y - basis @ np.linalg.lstsq(basis, y, rcond=None)[0]
        return float(residual @ residual)

    costs = np.array([left(rate) for rate in grid])
    best = int(costs.argmin())
    low, high = grid[max(0, best - 1)], grid[min(len(grid) - 1, best + 1)]
    rate = float(minimize_scalar(left, bounds=(low, high), method="bounded", options={"xatol": 1e-10}).x)
    rate = rate if left(rate) <= costs[best] else float(grid[best])
    # From the value and the slope at the start, whose errors do not blow up as the rate tends to 0.
    basis = _basis(x, rate)
    slope, first = np.linalg.lstsq(basis, y, rcond=None)[0]
    residual = y - basis @ np.array([slope, first])
    bend = slope * (x * np.exp(-rate * x) - basis[:, 0]) / rate
    triangle = np.linalg.qr(np.column_stack([basis, bend]), mode="r")
    inverse = (
        scipy.linalg.solve_triangular(triangle, np.eye(3)) if np.diag(triangle).all() else np.zeros((3, 3))
    )
    noise = inflation**2 * float(residual @ residual) / max(1, len(x) - 3)
    covariance = noise * inverse @ inverse.T
    of_amplitude = np.array([-1.0 / rate, 0.0, slope / rate**2])
    of_limit = np.array([1.0 / rate, 1.0, -slope / rate**2])
    rate_error = float(np.sqrt(covariance[2, 2]))
    total = float(((y - y.mean()) ** 2).sum())
    return ExponentialFit(
        rate=rate / duration,
        rate_error=rate_error / duration,
        limit=float(first + slope / rate),
        limit_error=float(np.sqrt(of_limit @ covariance @ of_limit)),
        amplitude=float(-slope / rate),
        amplitude_error=float(np.sqrt(of_amplitude @ covariance @ of_amplitude)),
        r2=1.0 - float(residual @ residual) / total if total > 0.0 else 0.0,
        curved=abs(rate) > 2.0 * rate_error,
    )


def _basis(x: Float64[np.ndarray, " t"], rate: float) -> Float64[np.ndarray, "t 2"]:
    # (1 - exp(-r x)) / r tends to x for small rates, where exp(-r x) and 1 would be the same column.
    return np.stack([-np.expm1(-rate * x) / rate, np.ones_like(x)], axis=1)


def _long_run(values: Float64[np.ndarray, " t"], lags: int) -> float:
    found = float(values @ values) / len(values)
    for lag in range(1, min(lags, len(values) - 1) + 1):
        found += 2.0 * (1.0 - lag / (lags + 1)) * float(values[lag:] @ values[:-lag]) / len(values)
    return max(found, 0.0)
