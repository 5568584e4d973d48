"""The element-wise shuffle: what is left of a spectrum when only the values of the entries stay, not their places.

Correlations between entries make spikes that the shuffle destroys; a few huge entries make spikes that survive it
(WeightWatcher calls them correlation traps). The shuffled matrix is the null drawn beside each spectrum. What is
asked of it are its largest eigenvalues: those of a large matrix come from Lanczos steps, at a tenth of the time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import scipy.linalg
from jaxtyping import Float32, Float64, Shaped

from eigentrail.chance.entries import shuffled, signed
from eigentrail.errors import SpectrumError
from eigentrail.linalg.gram import power_of_two_scale, sum_of_squares
from eigentrail.linalg.gram_quadrature import gram_quadrature
from eigentrail.linalg.halves import is_half
from eigentrail.linalg.symmetric import SMALL
from eigentrail.linalg.threads import threads_for
from eigentrail.spectra import tracy_widom
from eigentrail.spectra.marchenko_pastur import MarchenkoPastur, cdf, fit_marchenko_pastur, quantile

# Scales outside of this and its inverse are taken away in the matrix's own precision.
_SMALLEST = 1e-30
#: From this order on Lanczos steps find the largest eigenvalues in a fraction of the time of all.
LARGE = 2048
_STEPS = 64
# Of random signs only the number of spikes is asked for: those above the threshold stand clear after fewer steps.
_STEPS_OF_SIGNS = 40
# So many of the largest nodes that stand out of noise are eigenvalues; more are counted by their weights.
_COUNTED = 8
# Rows of half precision that are brought to float32 at a time; matrices of up to so many entries are at once.
_ROWS, _CONVERTED = 1024, 2**26


@dataclass(frozen=True)
class ShuffleNull:
    """Spectrum of the same entries in random places, or its upper end.

    Attributes:
        eigenvalues: [k * M] eigenvalues of the shuffled matrices, ascending, in the units of the data's eigenvalues;
            float32 arithmetic, so values below 1e-6 of the largest are noise. Where `complete` is false, only the
            nodes of Lanczos quadrature, those of all matrices together: of them the largest are eigenvalues (the
            largest of noise to about 5e-4 from below, what stands out of it to 1e-6).
        rows: N of one matrix.
        cols: M of one matrix.
        matrices: k, how many are pooled.
        seed: the seed of the permutation.
        weights: of the nodes, their sum is k * M; None where all eigenvalues are there.
        mean_square: of the entries, where only nodes are there.
    """

    eigenvalues: Float64[np.ndarray, " n"]
    rows: int
    cols: int
    matrices: int
    seed: int
    weights: Float64[np.ndarray, " n"] | None = None
    mean_square: float | None = None

    @property
    def complete(self) -> bool:
        """Whether all eigenvalues are there."""
        return self.weights is None

    @property
    def lambda_max(self) -> float:
        """The largest eigenvalue of the shuffled matrix."""
        return float(self.eigenvalues[-1])

    def spikes(self, level: float = 0.01) -> int:
        """Count what owes nothing to where the entries stand.

        Args:
            level: chance that a pure noise matrix shows a spike.

        Returns:
            Eigenvalues above the threshold of the shuffled matrix's own bulk. Where only nodes are there the bulk's
            variance is that of the entries less the spikes' part, and a count above 8 is an estimate with a standard
            error of about sqrt(2 count).
        """
        if self.weights is None:
            return self.marchenko_pastur(level).spikes
        return self._above(level)[0]

    def marchenko_pastur(self, level: float = 0.01) -> MarchenkoPastur:
        """Fit the shuffled matrix's own bulk: its spikes owe nothing to where the entries stand.

        The shuffle spreads the variance of the data's spikes over the bulk, so its edge is not the data's.

        Args:
            level: chance that a pure noise matrix shows a spike.

        Returns:
            The fit; its `spikes` are those that survive the shuffle.

        Raises:
            SpectrumError: only the upper end of the spectrum is there.
        """
        if not self.complete:
            raise SpectrumError(
                "of the shuffled copy of so large a matrix only the largest eigenvalues were computed: ask for "
                "spikes(), or draw all by shuffled_null(..., complete=True)"
            )
        return fit_marchenko_pastur(
            self.eigenvalues, self.rows, self.cols, matrices=self.matrices, level=level
        )

    def distance(self, eigenvalues: Float64[np.ndarray, " n"], level: float = 0.01) -> float | None:
        """Measure how far a spectrum is from that of the shuffled matrix.

        Args:
            eigenvalues: of the matrix, ascending.
            level: chance that a pure noise matrix shows a spike.

        Returns:
            The Kolmogorov-Smirnov distance; where only nodes are there, to the Marchenko-Pastur law of the shuffled
            entries beside its spikes, which large matrices follow to 1/M. None where the numbers of eigenvalues
            differ.
        """
        many = self.matrices * self.cols
        if many != len(eigenvalues):
            return None
        if self.weights is None:
            below = np.searchsorted(self.eigenvalues, eigenvalues, side="right") / many
        else:
            spikes, variance = self._above(level)
            bulk = cdf(eigenvalues, self.cols / self.rows, variance**0.5) * (1.0 - spikes / many)
            top = self.eigenvalues[len(self.eigenvalues) - min(spikes, _COUNTED) :]
            below = bulk + np.searchsorted(top, eigenvalues, side="right") / many
        ranks = np.arange(1, many + 1) / many
        return float(max(np.abs(below - ranks).max(), np.abs(below - ranks + 1 / many).max()))

    def _above(self, level: float) -> tuple[int, float]:
        """Count the spikes and give the variance of the entries without them."""
        assert self.weights is not None and self.mean_square is not None
        unit = tracy_widom.threshold(self.rows, self.cols, 1.0, level, self.matrices)
        many = self.matrices * self.cols
        spikes, variance = 0, self.mean_square
        while (found := int((self.eigenvalues > variance * unit).sum())) > spikes:
            if found > _COUNTED:
                variance = self._bulk_variance()
                return round(float(self.weights[self.eigenvalues > variance * unit].sum())), variance
            spikes = found
            held = float(self.eigenvalues[-spikes:].sum())
            variance = (self.mean_square * many - held) / (many - spikes)
        return spikes, variance

    def _bulk_variance(self) -> float:
        """Match the quantiles of the nodes with those of the law, where many eigenvalues stand out of it."""
        assert self.weights is not None
        probabilities = 0.1 + 0.8 * (np.arange(64) + 0.5) / 64
        place = (np.cumsum(self.weights) - self.weights / 2) / self.weights.sum()
        law = quantile(probabilities, self.cols / self.rows)
        return float(np.interp(probabilities, place, self.eigenvalues).sum() / law.sum())


def shuffled_null(
    a: Shaped[np.ndarray, "k rows cols"], seed: int = 0, *, complete: bool = True
) -> ShuffleNull:
    """Decompose a copy of the matrix whose entries have been shuffled over the whole pool.

    Args:
        a: [k, N, M] with N >= M, finite, as `eigenvalues.checked_stack` returns it.
        seed: the permutation depends on it and on the number of entries only.
        complete: compute all eigenvalues of a large matrix, too, not the largest only.

    Returns:
        The spectrum of the shuffled matrix.
    """
    mixed, scale = shuffled(a, seed), power_of_two_scale(a)
    mixed = _scaled(mixed, scale)
    with threads_for(a.shape[2]):
        if a.shape[2] >= LARGE and not complete:
            end = _upper_end(mixed, scale, seed)
            # More than a few: entries with heavy tails, whose upper end is most of their spectrum.
            if end.spikes() <= _COUNTED:
                return end
        return _all(mixed, scale, seed)


def signed_null(a: Shaped[np.ndarray, "k rows cols"], seed: int = 0, *, complete: bool = True) -> ShuffleNull:
    """Decompose a copy of the matrix whose entries have random signs: each |entry| stays in its place.

    Unequal variances of rows and columns stay, correlations go.

    Args:
        a: [k, N, M] with N >= M, finite, as `eigenvalues.checked_stack` returns it.
        seed: of the signs.
        complete: as for `shuffled_null`.

    Returns:
        The spectrum of the matrix with random signs.
    """
    scale = power_of_two_scale(a)
    mixed = _scaled(signed(a, seed), scale)
    with threads_for(a.shape[2]):
        if a.shape[2] >= LARGE and not complete:
            return _upper_end(mixed, scale, seed, _STEPS_OF_SIGNS)
        return _all(mixed, scale, seed)


def _scaled(mixed: Any, scale: float) -> Float32[np.ndarray, "k rows cols"]:
    """Divide by a power of two in place, and give float32."""
    if is_half(mixed):
        halves = mixed.scaled(1.0 / scale)
        # Lanczos steps read all of it dozens of times: half of their time would go into conversions.
        return cast("np.ndarray[Any, Any]", np.asarray(halves) if mixed.size <= _CONVERTED else halves)
    if _SMALLEST < scale < 1 / _SMALLEST:
        found: np.ndarray[Any, Any] = mixed.astype(np.float32, copy=False)
        found /= np.float32(scale)
        return found
    return np.asarray((mixed / scale).astype(np.float32))  # beyond the range of float32


def _upper_end(
    mixed: Float32[np.ndarray, "k rows cols"], scale: float, seed: int, steps: int = _STEPS
) -> ShuffleNull:
    count, n, m = mixed.shape
    rules = [gram_quadrature(b, steps, seed) for b in mixed]
    nodes = np.concatenate([nodes for nodes, _ in rules])
    order = np.argsort(nodes)
    weights = np.concatenate([weights for _, weights in rules])[order] * m
    square = sum(sum_of_squares(b) for b in mixed) / mixed.size
    nodes = np.maximum(nodes[order], 0.0) * (scale**2 / n)
    return ShuffleNull(nodes, n, m, count, seed, weights, square * scale**2)


def _gram(a: Shaped[np.ndarray, "rows cols"]) -> Float32[np.ndarray, "cols cols"]:
    if not is_half(a):
        return np.asarray(a.T @ a)
    blocks = (a[start : start + _ROWS] for start in range(0, len(a), _ROWS))
    return np.asarray(sum(block.T @ block for block in blocks))


def _all(mixed: Float32[np.ndarray, "k rows cols"], scale: float, seed: int) -> ShuffleNull:
    count, n, m = mixed.shape
    if m <= SMALL:
        values = np.linalg.eigvalsh(mixed.swapaxes(1, 2) @ mixed)
    else:
        values = np.stack(
            [
                scipy.linalg.eigh(
                    np.asfortranarray(_gram(b)), eigvals_only=True, overwrite_a=True, check_finite=False
                )
                for b in mixed
            ]
        )
    values = np.sort(np.maximum(values.astype(np.float64), 0.0), axis=None) * (scale**2 / n)
    return ShuffleNull(values, n, m, count, seed)
