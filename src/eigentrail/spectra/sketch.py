"""A sketch of the spectrum of a large matrix: both ends exactly, the bulk by stochastic Lanczos quadrature.

One pass makes the Gram matrix in float32. Block Lanczos on it finds the eigenvalues at both ends that stand clear of
their neighbours; what lies between is known as a density, whose quantiles stand for the eigenvalues. Eigenvalues of
weights repel each other, so that they lie within a fraction of their distance of these quantiles. The exact traces of
the Gram matrix and of its square hold the mean and the variance of the eigenvalues to those of the matrix.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Shaped
from scipy.interpolate import PchipInterpolator
from scipy.linalg import blas

from eigentrail.linalg.block_lanczos import BlockRule, block_lanczos
from eigentrail.linalg.gram import power_of_two_scale
from eigentrail.spectra.eigenvalues import LeadingVectors, leading_vectors

#: From this order on a sketch is several times faster than all eigenvalues.
PAYS = 2048
# The Krylov space holds a fifth of the dimensions: that is what finds a few hundred spikes.
_DEPTH, _COLUMNS_A_PROBE, _FEWEST_PROBES = 32, 160, 4
# Rows whose products are summed in float32 at a time, and the side of the tiles that are mirrored.
_ROWS, _TILE = 1024, 256
# Below the median the rule must have so many nodes a start vector: fewer have not resolved the bulk.
_LEVELS = 4
# Shares of the largest eigenvalue that float32 cannot tell from zero, and of the eigenvalues that may be such.
_ZERO, _FEW_ZEROS = 1e-6, 0.02
# Traces of what is left beside the eigenvalues that are known exactly, below this share of the whole, are rounding.
_ROUNDED = 1e-4


@dataclass(frozen=True, eq=False)
class Sketch:
    """What is known of the eigenvalues of W^T W / N.

    Attributes:
        rows: N.
        cols: M.
        nodes: [d] ascending; the first `low` and the last `high` are eigenvalues.
        weights: [p, d] of the nodes by start vector; their mean over the vectors sums to about M.
        low: how many of the smallest eigenvalues are known exactly.
        high: how many of the largest.
        traces: sums of all eigenvalues and of their squares.
    """

    rows: int
    cols: int
    nodes: Float64[np.ndarray, " d"]
    weights: Float64[np.ndarray, "p d"]
    low: int
    high: int
    traces: tuple[float, float]

    @property
    def known_below(self) -> float:
        """All eigenvalues up to this one are exact; 0 where the lower end is not known."""
        return float(self.nodes[self.low - 1]) if self.low else 0.0

    def eigenvalues(self, shares: Float64[np.ndarray, " p"] | None = None) -> Float64[np.ndarray, " M"]:
        """Give M values that stand for the eigenvalues: exact ones at the ends, quantiles of the density between.

        Args:
            shares: how much each start vector counts, summing to 1; None for all alike.

        Returns:
            [M] ascending.
        """
        p, d = self.weights.shape
        mean = (np.full(p, 1.0 / p) if shares is None else shares) @ self.weights
        between = slice(self.low, d - self.high)
        many = self.cols - self.low - self.high
        weights = self._held(mean[between], many)
        place = self.low + np.cumsum(weights) - weights / 2.0
        low, high = np.arange(self.low) + 0.5, self.cols - self.high + np.arange(self.high) + 0.5
        at = np.concatenate([low, place, high])
        known = np.maximum(self.nodes, 1e-7 * self.nodes[-1])
        at, first = np.unique(at, return_index=True)
        law = PchipInterpolator(at, np.log(known[first]))
        wanted = np.clip(self.low + np.arange(many) + 0.5, at[0], at[-1])
        filled = np.sort(
            np.concatenate([self.nodes[: self.low], np.exp(law(wanted)), self.nodes[d - self.high :]])
        )
        return np.asarray(np.maximum(filled, 0.0))

    def _held(self, weights: Float64[np.ndarray, " j"], many: int) -> Float64[np.ndarray, " j"]:
        """Hold the weights between the ends to the exact sums of eigenvalues and squares, by a quadratic factor."""
        weights = weights * (many / weights.sum())
        nodes = self.nodes[self.low : len(self.nodes) - self.high]
        ends = np.concatenate([self.nodes[: self.low], self.nodes[len(self.nodes) - self.high :]])
        left = [trace - float((ends**power).sum()) for power, trace in enumerate(self.traces, 1)]
        if any(one < _ROUNDED * whole for one, whole in zip(left, self.traces, strict=True)):
            return weights
        unit = float(nodes[-1])
        powers = np.vander(nodes / unit, 3, increasing=True)
        wanted = np.array([many, left[0] / unit, left[1] / unit**2])
        factor = np.linalg.solve(powers.T @ (powers * weights[:, None]), wanted - powers.T @ weights)
        held = weights * (1.0 + powers @ factor)
        return np.asarray(held) if held.min() >= 0.0 else weights

    def resampled(self, draws: int, seed: int = 0) -> Iterator[Float64[np.ndarray, " M"]]:
        """Draw the eigenvalues anew as other start vectors would have given them.

        Each start vector gets an exponential weight (Rubin 1981), so that statistics that jump, as the start of a tail
        does, show their spread too.

        Args:
            draws: how many.
            seed: of the draws.

        Yields:
            [M] ascending. The standard deviation over the draws is the standard error of a statistic.
        """
        rng = np.random.default_rng(seed)
        for _ in range(draws):
            shares = rng.standard_exponential(len(self.weights))
            yield self.eigenvalues(shares / shares.sum())


def sketch(
    a: Shaped[np.ndarray, "rows cols"], seed: int = 0, leading: int = 16
) -> tuple[Sketch, LeadingVectors] | None:
    """Sketch the spectrum of a matrix.

    Args:
        a: [N, M], N >= M, finite.
        seed: of the start vectors.
        leading: pairs of leading singular vectors to keep.

    Returns:
        The sketch and the vectors; None where it does not resolve the bulk, as with more outliers than it can find, a
        spectrum that float32 does not hold, or many eigenvalues that are zero or equal.
    """
    n, m = a.shape
    scale = power_of_two_scale(a)
    g, traces = _gram(a, scale)
    probes = max(_FEWEST_PROBES, m // _COLUMNS_A_PROBE)
    start = np.random.default_rng([seed, n, m]).standard_normal((m, probes), dtype=np.float32)
    rule = block_lanczos(lambda x: g @ x, start, _DEPTH, min(leading, m))
    if not _resolved(rule, m):
        return None
    unit = scale**2 / n
    found = Sketch(
        n, m, rule.values * unit, rule.weights, rule.low, rule.high, (traces[0] * unit, traces[1] * unit**2)
    )
    vectors = leading_vectors(a, scale, rule.values, rule.vectors.astype(np.float64), 0)
    return found, vectors


def _gram(
    a: Shaped[np.ndarray, "rows cols"], scale: float
) -> tuple[Float32[np.ndarray, "cols cols"], tuple[float, float]]:
    """Give the whole Gram matrix in float32, the sum of its eigenvalues and that of their squares."""
    m = a.shape[1]
    lower = np.zeros((m, m), dtype=np.float32, order="F")
    for start in range(0, len(a), _ROWS):
        block = np.asarray(a[start : start + _ROWS] / scale, dtype=np.float32)
        lower = blas.ssyrk(1.0, np.asfortranarray(block.T), beta=1.0, c=lower, lower=1, overwrite_c=1)
    g = lower.T  # in the order of C, and filled above the diagonal
    square = 0.0
    for i in range(0, m, _TILE):
        j = min(i + _TILE, m)
        corner = np.triu(g[i:j, i:j])
        g[i:j, i:j] = corner + np.triu(corner, 1).T
        g[j:, i:j] = g[i:j, j:].T
        square += sum(2.0 * float(np.vdot(row, row)) for row in g[i:j, j:]) + float(
            np.vdot(g[i:j, i:j], g[i:j, i:j])
        )
    return g, (float(np.diagonal(g).sum(dtype=np.float64)), square)


def _resolved(rule: BlockRule, cols: int) -> bool:
    """Tell whether the rule knows the shape of the bulk."""
    d, p = len(rule.values), len(rule.weights)
    if rule.low + rule.high > d - 2 * _LEVELS:
        return False
    mean = rule.weights.mean(axis=0)
    below = np.cumsum(mean) / mean.sum()
    zeros = rule.values < _ZERO * rule.values[-1]
    return bool((below < 0.5).sum() >= _LEVELS * p and mean[zeros].sum() < _FEW_ZEROS * cols)
