"""The Marchenko-Pastur fit of one spectrum: the noise's sigma from the bulk alone, its edges, its spikes.

The scale comes from the ranks between the 10% and the 90% quantile of the bulk: the sum of the empirical
quantiles over the sum of the law's. Whatever lies above the Tracy-Widom threshold is taken out of the ranks,
and both are repeated until the number of spikes stands still, so that neither the size nor the number of the
spikes enters the scale. Each spike takes one dimension from the noise on either side: the remaining bulk
follows the law of an (N - k) x (M - k) matrix.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NoReturn

import numpy as np
from jaxtyping import Float64

from eigentrail._names import plotted_elsewhere
from eigentrail.errors import SpectrumError
from eigentrail.spectra import spiked, tracy_widom
from eigentrail.spectra.marchenko_pastur_law import angle_cdf, angle_quantile, cdf, density, edges, quantile

__all__ = ["FEWEST", "MarchenkoPastur", "cdf", "density", "edges", "fit_marchenko_pastur", "quantile"]

FEWEST = 5  # non-zero eigenvalues; with fewer there is no bulk to speak of

_PROBABILITIES = 0.1 + 0.8 * (np.arange(64) + 0.5) / 64
_DEGREE = 48
_DOUBTS = 8
_LARGEST_SHARE = 0.75  # of the spectrum that may be spikes: a quarter must remain to be called a bulk
# Standard deviation of the fitted scale over that of the trace, the best estimator of a clean spectrum (by
# simulation, M = 10 .. 512: 1.03 to 1.21).
_INEFFICIENCY = 1.15


@dataclass(frozen=True)
class MarchenkoPastur:
    """The noise bulk of a spectrum and what stands out of it. Eigenvalues are those of W^T W / N.

    Attributes:
        sigma: standard deviation of the noise entries.
        sigma_error: one standard error of `sigma`: the larger of the sampling error of the fit under the law,
            1.15 sigma sqrt(q / 2) / (M sqrt(matrices)), and of half the spread between the fits to four bands
            of quantiles, which grows where the bulk does not have the law's shape.
        q: aspect ratio of the law, cols / rows; zero eigenvalues are not counted as columns.
        edge_low: lower edge sigma^2 (1 - sqrt q)^2.
        edge_high: upper edge sigma^2 (1 + sqrt q)^2.
        threshold: eigenvalue above which noise goes with probability `level` (Tracy-Widom, with the error of
            sigma).
        level: probability that any eigenvalue of pure noise lies above `threshold`, all pooled matrices
            together.
        spikes: number of eigenvalues above `threshold`.
        spike_values: those eigenvalues, descending.
        spike_strengths: planted singular values that show there, in units of sigma sqrt(N) (see `spiked`),
            descending.
        ks_distance: Kolmogorov-Smirnov distance of the bulk to the law of what the spikes leave of the noise.
        matrices: number of pooled independent matrices.
        zeros: number of eigenvalues that are zero to rounding and were left out.
        rows: N of each matrix.
    """

    sigma: float
    sigma_error: float
    q: float
    edge_low: float
    edge_high: float
    threshold: float
    level: float
    spikes: int
    spike_values: np.ndarray
    spike_strengths: np.ndarray
    ks_distance: float
    matrices: int
    zeros: int
    rows: int

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NoReturn:
            raise plotted_elsewhere(self, name, "density")

    def density(self, x: Float64[np.ndarray, "..."]) -> Float64[np.ndarray, "..."]:
        """Give the fitted law's density.

        Args:
            x: eigenvalues, any shape.

        Returns:
            The density per unit of eigenvalue, of the shape of `x`, normalised to 1.
        """
        return density(x, self.q, self.sigma)

    def cdf(self, x: Float64[np.ndarray, "..."]) -> Float64[np.ndarray, "..."]:
        """Give the fitted law's distribution function.

        Args:
            x: eigenvalues, any shape.

        Returns:
            Probabilities, of the shape of `x`.
        """
        return cdf(x, self.q, self.sigma)


@lru_cache(maxsize=1)
def _angle_coefficients() -> Float64[np.ndarray, "d p"]:
    """Expand the law's angles at the fixed probabilities in Chebyshev polynomials of sqrt(q), once."""
    nodes = np.cos(np.pi * (np.arange(_DEGREE) + 0.5) / _DEGREE)
    values = np.empty((_DEGREE, _PROBABILITIES.size))
    angles = angle_quantile(_PROBABILITIES, 1.0)
    for i, r in enumerate((nodes + 1.0) / 2.0):  # descending: each starts from its neighbour's solution
        for _ in range(5):
            slope = (2.0 / np.pi) * np.sin(angles) ** 2 / (1.0 + r * r - 2.0 * r * np.cos(angles))
            angles = angles - (angle_cdf(angles, float(r)) - _PROBABILITIES) / slope
        values[i] = angles
    orders = np.arange(_DEGREE)[:, None]
    coefficients = (2.0 / _DEGREE) * np.cos(orders * np.arccos(nodes)) @ values
    coefficients[0] /= 2.0
    return np.asarray(coefficients)


def _law_quantiles(r: float) -> tuple[Float64[np.ndarray, "p"], Float64[np.ndarray, "p"]]:
    """Give angles and eigenvalues of the unit law at the fixed probabilities."""
    angles = np.cos(np.arange(_DEGREE) * np.arccos(2.0 * r - 1.0)) @ _angle_coefficients()
    return angles, 1.0 + r * r - 2.0 * r * np.cos(angles)


def _matched(
    bulk: Float64[np.ndarray, "n"], q: float, matrices: int
) -> tuple[Float64[np.ndarray, "p"], Float64[np.ndarray, "p"]]:
    """Give the empirical quantiles of the bulk and the law's, at the fixed probabilities."""
    # Of n eigenvalues of real noise, n F(phi) + 1/4 - phi / (2 pi) are expected below the angle phi: without
    # the second order small matrices would give a biased scale.
    n = bulk.size
    angles, law = _law_quantiles(q**0.5)
    place = n * _PROBABILITIES + matrices * (0.25 - angles / (2.0 * np.pi)) - 0.5
    lower = np.minimum(np.maximum(place, 0.0).astype(np.int64), n - 2)
    left = bulk[lower]
    return left + (place - lower) * (bulk[lower + 1] - left), law


def _remaining(rows: int, cols: float, spikes_each: float) -> tuple[float, float]:
    """Give the aspect ratio and the scale of the noise orthogonal to the spikes."""
    return (cols - spikes_each) / (rows - spikes_each), (rows - spikes_each) / rows


def _unit_threshold(rows: int, cols: float, level: float, matrices: int) -> float:
    return tracy_widom.threshold(rows, max(round(cols), 1), 1.0, level, matrices)


def fit_marchenko_pastur(
    eigenvalues: Float64[np.ndarray, "n"], rows: int, cols: int, *, matrices: int = 1, level: float = 0.01
) -> MarchenkoPastur:
    """Fit the Marchenko-Pastur law to the bulk of a spectrum and count the spikes.

    Args:
        eigenvalues: of W^T W / rows, any order, `matrices * cols` of them.
        rows: N, the larger dimension of each matrix.
        cols: M <= N.
        matrices: number of independent matrices of that shape whose eigenvalues are pooled.
        level: probability of at least one false spike in pure noise, for the whole layer.

    Returns:
        The fit. Nothing in it depends on the scale of the eigenvalues but by that scale.

    Raises:
        SpectrumError: the eigenvalues are not finite, do not fit the shape, or fewer than five differ from
            zero.
    """
    values = np.sort(np.asarray(eigenvalues, dtype=np.float64))
    if not 1 <= cols <= rows or values.size != matrices * cols:
        raise SpectrumError(
            f"{values.size} eigenvalues do not belong to {matrices} matrices of {rows} rows and {cols} "
            "columns: give rows >= cols and cols eigenvalues for each matrix."
        )
    if not np.isfinite(values[[0, -1]]).all():
        raise SpectrumError(
            "The spectrum has values that are not finite: check the matrix for NaN and infinity."
        )
    top = float(values[-1])
    zeros = int(np.searchsorted(values, top * rows * np.finfo(np.float64).eps, side="right"))
    values = values[zeros:]
    if top <= 0.0 or values.size < FEWEST:
        raise SpectrumError(
            f"Only {values.size if top > 0 else 0} eigenvalues differ from zero: "
            f"a Marchenko-Pastur fit needs {FEWEST}."
        )
    n = values.size
    live = n / matrices  # columns of each matrix that carry anything
    unit = _unit_threshold(rows, live, level, matrices)
    most = n - max(FEWEST, int(np.ceil((1.0 - _LARGEST_SHARE) * n)))

    def fit(spikes: int) -> tuple[float, Float64[np.ndarray, "p"]]:
        q_left, share = _remaining(rows, live, spikes / matrices)
        found, law = _matched(values[: n - spikes], q_left, matrices)
        bands = found.reshape(4, -1).sum(axis=1) / law.reshape(4, -1).sum(axis=1) / share
        return float(found.sum() / law.sum()) / share, bands

    def above(s2: float) -> int:
        return min(n - int(np.searchsorted(values, s2 * unit, side="right")), most)

    found, law = _matched(values, live / rows, matrices)
    spikes = above(float(np.median(found / law)))  # a start that a third of outliers does not carry away
    seen = set[int]()
    while True:
        s2, bands = fit(spikes)
        after = above(s2)
        if after == spikes or after in seen:
            break
        seen.add(spikes)
        spikes = after
    # Taking a noise eigenvalue out of the ranks lowers the scale and so confirms itself: the last spike must
    # also stand out of a bulk that still holds it. This is what keeps the level at small M.
    for _ in range(min(spikes, _DOUBTS)):
        with_it, bands_with_it = fit(spikes - 1)
        if values[n - spikes] > with_it * unit:
            break
        spikes, s2, bands = spikes - 1, with_it, bands_with_it

    threshold = s2 * unit
    trimmed = spikes
    spikes = n - int(np.searchsorted(values, threshold, side="right"))
    q_left, share = _remaining(rows, live, trimmed / matrices)
    bulk = values[: n - trimmed]
    q, sigma = live / rows, s2**0.5
    sampling = _INEFFICIENCY * (q / 2.0) ** 0.5 / (live * matrices**0.5)
    misfit = 0.25 * float(np.ptp(bands)) / s2
    low, high = edges(q, sigma)
    tops = values[n - spikes :][::-1].copy()
    return MarchenkoPastur(
        sigma=sigma,
        sigma_error=sigma * max(sampling, misfit),
        q=q,
        edge_low=low,
        edge_high=high,
        threshold=threshold,
        level=level,
        spikes=spikes,
        spike_values=tops,
        spike_strengths=spiked.strength(tops, q, sigma),
        ks_distance=_ks_distance(bulk, q_left, s2 * share),
        matrices=matrices,
        zeros=zeros,
        rows=rows,
    )


def _ks_distance(bulk: Float64[np.ndarray, "n"], q: float, s2: float) -> float:
    r = q**0.5
    phi = np.arccos(np.clip((1.0 + q - bulk / s2) / (2.0 * r), -1.0, 1.0))
    steps = angle_cdf(phi, r) * bulk.size - np.arange(bulk.size)
    return float(max(steps.max(), 1.0 - steps.min())) / bulk.size
