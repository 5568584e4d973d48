"""How far a spectrum lies from the two classical laws, the semicircle and Marchenko-Pastur, each fitted to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64
from scipy.optimize import minimize

from eigentrail._arrays import to_float64
from eigentrail.errors import SpectrumError
from eigentrail.spectra import ensembles, marchenko_pastur_law

#: Fewer levels fit any law.
FEWEST = 16
# Chance is drawn with at most so many levels: more of them lie nearer to their law, so that it errs to the safe side.
_LARGEST_DRAW = 400
_ASPECTS = (0.05, 0.3, 0.9)


@dataclass(frozen=True)
class ClassicalLaws:
    """The best fits of both laws.

    Attributes:
        semicircle: Kolmogorov-Smirnov distance to the nearest semicircle.
        marchenko_pastur: the same to the nearest Marchenko-Pastur law.
        centre: of that semicircle.
        radius: of that semicircle.
        q: aspect ratio of that Marchenko-Pastur law.
        sigma: its standard deviation.
        chance: the larger distance of one random matrix of either ensemble to its own law, fitted alike.
    """

    semicircle: float
    marchenko_pastur: float
    centre: float
    radius: float
    q: float
    sigma: float
    chance: float

    @property
    def nearest(self) -> float:
        """The smaller of both distances."""
        return min(self.semicircle, self.marchenko_pastur)


def classical_laws(levels: Any, seed: int = 0) -> ClassicalLaws:
    """Fit a semicircle and a Marchenko-Pastur law to levels, all their parameters free.

    S2 finds the spectral density of a network's Hessian like neither, whatever the spacings of its levels.

    Args:
        levels: [n] without a null space, in any order.
        seed: of the two random matrices that stand beside.

    Returns:
        The distances. A spectrum with levels below zero has no Marchenko-Pastur law: the distance is 1.

    Raises:
        SpectrumError: there are fewer than 16 levels, or they are not finite or all equal.
    """
    x = np.sort(to_float64(levels))
    if x.ndim != 1 or len(x) < FEWEST or not np.isfinite(x).all() or not x[-1] > x[0]:
        raise SpectrumError(f"a density is judged from {FEWEST} finite levels that differ, or more.")
    semicircle, (centre, radius) = _semicircle(x)
    distance, (q, sigma) = _marchenko_pastur(x)
    count = min(len(x), _LARGEST_DRAW)
    drawn = np.linalg.eigvalsh(ensembles.wigner(count, seed=seed))
    product = np.linalg.eigvalsh(ensembles.wishart(max(count, round(count / q)), count, seed=seed))
    chance = max(_semicircle(drawn)[0], _marchenko_pastur(np.maximum(product, 1e-12 * product[-1]))[0])
    return ClassicalLaws(semicircle, distance, centre, radius, q, sigma, chance)


def semicircle_cdf(x: Float64[np.ndarray, " n"], centre: float, radius: float) -> Float64[np.ndarray, " n"]:
    """Give the share of a semicircle at or below x.

    Args:
        x: any numbers.
        centre: its middle.
        radius: its radius.

    Returns:
        Probabilities.
    """
    t = np.clip((x - centre) / radius, -1.0, 1.0)
    return np.asarray(0.5 + (t * np.sqrt(1.0 - t**2) + np.arcsin(t)) / np.pi)


def _distance(x: Float64[np.ndarray, " n"], law: Float64[np.ndarray, " n"]) -> float:
    n = len(x)
    return float(max((np.arange(1, n + 1) / n - law).max(), (law - np.arange(n) / n).max()))


def _fitted(
    x: Float64[np.ndarray, " n"],
    law: Callable[[Float64[np.ndarray, " n"], Float64[np.ndarray, " 2"]], Float64[np.ndarray, " n"]],
    starts: list[list[float]],
) -> tuple[float, Float64[np.ndarray, " 2"]]:
    tried = [
        minimize(lambda p: _distance(x, law(x, p)), start, method="Nelder-Mead", options={"maxiter": 400})
        for start in starts
    ]
    best = min(tried, key=lambda one: float(one.fun))
    return float(best.fun), np.asarray(best.x)


def _semicircle(x: Float64[np.ndarray, " n"]) -> tuple[float, tuple[float, float]]:
    low, middle, high = np.quantile(x, [0.25, 0.5, 0.75])
    # Quartiles of a semicircle lie at .404 of its radius.
    scale = max((high - low) / 0.808, 1e-12 * float(np.abs(x).max()))
    z = (x - middle) / scale

    def law(at: Float64[np.ndarray, " n"], p: Float64[np.ndarray, " 2"]) -> Float64[np.ndarray, " n"]:
        return semicircle_cdf(at, float(p[0]), float(np.exp(p[1])))

    widest = float(np.log(np.abs(z).max() + 1e-300))
    distance, p = _fitted(z, law, [[0.0, 0.0], [0.0, widest / 2.0], [0.0, widest]])
    return distance, (float(middle + scale * p[0]), float(scale * np.exp(p[1])))


def _marchenko_pastur(x: Float64[np.ndarray, " n"]) -> tuple[float, tuple[float, float]]:
    if x[0] <= 0.0:
        return 1.0, (1.0, 1.0)
    middle = float(np.median(x))
    z = x / middle

    def law(at: Float64[np.ndarray, " n"], p: Float64[np.ndarray, " 2"]) -> Float64[np.ndarray, " n"]:
        q = 1.0 / (1.0 + np.exp(-np.clip(p[0], -12.0, 30.0)))
        return marchenko_pastur_law.cdf(at, min(q, 1.0), float(np.exp(np.clip(p[1], -30.0, 30.0))))

    starts = [[float(np.log(q / (1.0 - q))), 0.0] for q in _ASPECTS]
    distance, p = _fitted(z, law, starts)
    q = float(min(1.0, 1.0 / (1.0 + np.exp(-np.clip(p[0], -12.0, 30.0)))))
    return distance, (q, float(np.exp(p[1]) * np.sqrt(middle)))
