"""The quadratic model of the drift: decays along the Hessian's directions, and the variances they make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from eigentrail._arrays import to_float64
from eigentrail._numbers import real, whole
from eigentrail.errors import OptionError


@dataclass(frozen=True)
class QuadraticModel:
    """Mean motion of gradient descent in L = L_min + (w - mu)^T H (w - mu) / 2 with weight decay lambda ||w||^2.

    Along a Hessian direction of curvature h the weight goes from w(0) to m = mu / (1 + 2 lambda / h) as
    w(t) = (w(0) - m) exp(-eta (h + 2 lambda) t) + m (S1 6.11, with the rate of 6.12; eta / (1 - beta) with momentum,
    S1 8.1).

    Attributes:
        rates: [k] decay rates per update.
        limits: [k] m.
        start: [k] w(0).
    """

    rates: Float64[np.ndarray, " k"]
    limits: Float64[np.ndarray, " k"]
    start: Float64[np.ndarray, " k"]

    def path(self, steps: Any) -> Float64[np.ndarray, "t k"]:
        """Give the weights over time.

        Args:
            steps: [T] numbers of updates.

        Returns:
            [T, k].

        Raises:
            OptionError: a step is not finite, or a weight grows beyond double precision until then.
        """
        t = to_float64(steps)
        if not np.isfinite(t).all():
            raise OptionError("steps are finite numbers of updates.")
        with np.errstate(over="ignore", invalid="ignore"):
            found = self.limits + (self.start - self.limits) * np.exp(-np.outer(t, self.rates))
        return _bounded(found)

    def covariance(self, count: int) -> Float64[np.ndarray, "k k"]:
        """Give the covariances of the weights over time, by geometric sums.

        Args:
            count: T, the number of consecutive updates t = 0 .. T - 1; divided by T.

        Returns:
            [k, k]; the diagonal are the variances (S1 6.12, whose sums have T + 1 terms).

        Raises:
            OptionError: `count` is no number of updates, or a weight grows beyond double precision in so many.
        """
        count = whole("count", count, 1)
        size = self.start - self.limits
        with np.errstate(over="ignore", invalid="ignore"):
            pairs = _mean_decay(self.rates[:, None] + self.rates[None, :], count)
            single = _mean_decay(self.rates, count)
            found = np.outer(size, size) * (pairs - np.outer(single, single))
        return _bounded(found)

    def drift_variance(self, coordinates: Any, count: int) -> float:
        """Predict the variance along a direction d, d^T Cov d.

        S1 6.13 sums d_i^2 var_i alone; decays that run at the same time are correlated, and their covariances count.

        Args:
            coordinates: [k] d_i = d . h_i.
            count: T.

        Returns:
            The variance.

        Raises:
            OptionError: there is not one finite coordinate for each direction, or as of `covariance`.
        """
        d = to_float64(coordinates)
        if d.shape != self.rates.shape or not np.isfinite(d).all():
            raise OptionError(
                f"coordinates are {len(self.rates)} finite numbers, one for each direction, got shape {d.shape}."
            )
        return float(d @ self.covariance(count) @ d)


def quadratic_model(
    curvatures: Any,
    start: Any,
    minimum: Any,
    rate: float,
    decay: float = 0.0,
    momentum: float = 0.0,
) -> QuadraticModel:
    """Set the model up.

    Args:
        curvatures: [k] Hessian eigenvalues h_i.
        start: [k] coordinates w(0) . h_i.
        minimum: [k] coordinates mu . h_i of the minimum without weight decay.
        rate: learning rate eta.
        decay: lambda of lambda ||w||^2 (torch's weight_decay is 2 lambda).
        momentum: beta.

    Returns:
        The model.

    Raises:
        OptionError: the shapes differ, a number is outside what it may be, or h = -2 lambda, where there is no limit.
    """
    try:
        h, w0, mu = (to_float64(one) for one in (curvatures, start, minimum))
    except (TypeError, ValueError):
        raise OptionError("curvatures, start and minimum are [k] numbers.") from None
    if h.ndim != 1 or h.shape != w0.shape or h.shape != mu.shape:
        raise OptionError(
            f"curvatures, start and minimum are [k], not of shapes {h.shape}, {w0.shape}, {mu.shape}."
        )
    if not (np.isfinite(h).all() and np.isfinite(w0).all() and np.isfinite(mu).all()):
        raise OptionError(
            "curvatures, start and minimum are finite: leave directions with NaN or infinity out."
        )
    rate, decay, momentum = real("rate", rate), real("decay", decay), real("momentum", momentum)
    if not (rate > 0.0 and decay >= 0.0 and 0.0 <= momentum < 1.0):
        raise OptionError("the model needs rate > 0, decay >= 0 and momentum in [0, 1).")
    if (h + 2.0 * decay == 0.0).any():
        raise OptionError("a curvature is -2 decay: that direction is flat and has no limit, leave it out.")
    return QuadraticModel(rate / (1.0 - momentum) * (h + 2.0 * decay), h * mu / (h + 2.0 * decay), w0)


def _bounded(found: Float64[np.ndarray, "..."]) -> Float64[np.ndarray, "..."]:
    if not np.isfinite(found).all():
        raise OptionError(
            "a weight along a negative curvature grows beyond double precision in so many updates: take fewer, or "
            "leave that direction out."
        )
    return np.asarray(found)


def _mean_decay(rates: Float64[np.ndarray, "..."], count: int) -> Float64[np.ndarray, "..."]:
    safe = np.where(rates == 0.0, 1.0, rates)
    return np.asarray(np.where(rates == 0.0, 1.0, np.expm1(-safe * count) / (count * np.expm1(-safe))))
