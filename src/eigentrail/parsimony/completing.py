"""Fit observed entries of a matrix, stop where held-out ones are met best, and find the rank."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from eigentrail._progress import Progress, silent
from eigentrail.errors import CompletionError, DivergenceError
from eigentrail.parsimony.compressed import completion_start, discrepant_rates, leading_directions
from eigentrail.parsimony.descent import Descent, State, descend
from eigentrail.parsimony.initial import Matrix
from eigentrail.parsimony.masked import MaskedError, entries_at, two_factors
from eigentrail.parsimony.observations import Observations
from eigentrail.parsimony.polishing import polish

_LOOK = 10
_PATIENCE = 40
# So much of the error has to go within the patience.
_GAIN = 0.998
# A larger rank has to be better by so much of the error, or it is not taken.
_BETTER = 0.98
# Where a rank is so much better than the last one, it has reached what there is.
_LEAP = 0.5
# Where a rank is so much worse than a smaller one, still larger ones are not tried.
_WORSE = 1.1
_HALVINGS = 6


@dataclass(frozen=True)
class Network:
    """The compressed network of a completion and how it descends.

    Attributes:
        depth: L, the number of inner layers.
        scale: epsilon^L, the singular values of the product at the start, where the matrix has norm 1.
        gamma: factor on the rate of the outer factors.
        momentum: of the heavy ball.
        rate: eta for a matrix of norm 1; None to choose it, and to halve it where the descent diverges.
        steps: at most so many of the network, and as many of its two factors after it.
        tolerance: the relative error at which to stop.
    """

    depth: int = 3
    scale: float = 0.03
    gamma: float = 1.0
    momentum: float = 0.9
    rate: float | None = None
    steps: int = 300
    tolerance: float = 1e-6

    def first_rate(self, share: float) -> float:
        """Choose the rate.

        A balanced solution of norm 1 has a Hessian of about share (L + 2 gamma); chance in the mask adds to that.

        Args:
            share: of the entries that are observed.

        Returns:
            `rate`, or a fifth of where the heavy ball is stable.
        """
        if self.rate is not None:
            return self.rate
        return 0.4 * (1.0 + self.momentum) / (share * (self.depth + 2.0 * self.gamma))


class Fit(NamedTuple):
    """A fit of one rank.

    Attributes:
        rank: the rank.
        left: [rows, rank] left factor.
        right: [rank, columns] right factor.
        steps: that were made, of the network and of its factors.
        rate: that the network was trained with.
        loss: 1/2 the squared error of the entries it was fitted to.
        error: RMSE over RMS of the held-out entries; of the fitted ones where none are held out.
    """

    rank: int
    left: Matrix
    right: Matrix
    steps: int
    rate: float
    loss: float
    error: float


def norm_estimate(observed: Observations, seed: int = 0) -> float:
    """Estimate the spectral norm of a matrix from some of its entries.

    Args:
        observed: the known entries.
        seed: of the iteration's start, for large matrices.

    Returns:
        The norm of the entries with zeros elsewhere, over the share that is observed.
    """
    return float(leading_directions(observed, 1, seed)[1][0]) / observed.share


def relative_error(left: Matrix, right: Matrix, held: Observations) -> float:
    """Measure how well a product meets entries.

    Args:
        left: [rows, k].
        right: [k, columns].
        held: the entries.

    Returns:
        RMSE over RMS.
    """
    return float(np.linalg.norm(entries_at(left, right, held) - held.values) / np.linalg.norm(held.values))


def fit_rank(
    train: Observations,
    held: Observations,
    rank: int,
    network: Network,
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> Fit:
    """Fit a rank: the compressed network from a small start, then its leading two factors by scaled descent.

    Args:
        train: the entries to fit.
        held: the entries to stop by; without any, those that are fitted.
        rank: the rank; the network is twice as wide.
        network: the network and its descent.
        seed: of the random directions.
        progress: told of steps.

    Returns:
        The fit that meets the held-out entries best.

    Raises:
        CompletionError: all entries are zero.
    """
    norm = norm_estimate(train, seed)
    if not norm > 0.0:
        raise CompletionError("all observed entries are zero: there is nothing to complete from.")
    scaled = replace(train, values=train.values / norm)
    against = replace(held, values=held.values / norm) if len(held) else scaled
    loss = MaskedError(scaled)
    watch = _Watch(against, network.tolerance)
    state, rate = _descended(scaled, loss, rank, network, seed, watch, progress)
    u, s, vt = truncate(*two_factors(state.weights), rank)
    best = Fit(rank, u * np.sqrt(s), np.sqrt(s)[:, None] * vt, state.step, rate, math.inf, math.inf)
    watch = _Watch(against, network.tolerance)
    for point in polish(best.left, best.right, loss, network.steps):
        error = relative_error(point.left, point.right, against)
        if error < best.error:
            best = Fit(rank, point.left, point.right, state.step + point.step, rate, point.loss, error)
        if not point.step % _LOOK:
            progress(f"rank {rank}: error {best.error:.2g}", point.step, network.steps)
        if watch.enough(point.step, error):
            break
    return best._replace(left=norm * best.left, loss=norm**2 * best.loss)


def fit_all(observed: Observations, found: Fit, network: Network) -> Fit:
    """Go on from a fit to a part of the entries with all of them.

    Args:
        observed: all known entries.
        found: the fit to a part of them.
        network: how many steps are made at most, and the tolerance.

    Returns:
        The fit, with the error that the other one had.
    """
    norm = float(np.linalg.norm(observed.values))
    scaled = replace(observed, values=observed.values / norm)
    watch = _Watch(scaled, network.tolerance)
    for point in polish(found.left / norm, found.right, MaskedError(scaled), network.steps):
        if watch.enough(point.step, math.sqrt(2.0 * point.loss)):
            break
    return found._replace(left=norm * point.left, right=point.right, loss=norm**2 * point.loss)


class _Watch:
    """Says when a descent has gone on for long enough."""

    def __init__(self, against: Observations, tolerance: float) -> None:
        self.against, self.tolerance = against, tolerance
        self._reached, self._since = math.inf, 0

    def enough(self, step: int, error: float) -> bool:
        """Look at the error of a step."""
        if error < _GAIN * self._reached:
            self._reached, self._since = error, step
        return step - self._since > _PATIENCE or error < self.tolerance


def _descended(
    scaled: Observations,
    loss: MaskedError,
    rank: int,
    network: Network,
    seed: int,
    watch: _Watch,
    progress: Progress,
) -> tuple[State, float]:
    """Train the compressed network; the rate is halved where it diverges, unless it was given."""
    start = completion_start(scaled, rank, network.depth, network.scale ** (1.0 / network.depth), seed)
    rates = discrepant_rates(network.depth, network.gamma)
    rate = network.first_rate(scaled.share)
    for halving in range(_HALVINGS + 1):
        settings = Descent(rate, 0.0, network.momentum, rates)
        try:
            for state in descend(start, loss, settings, network.steps):
                if state.step % _LOOK:
                    continue
                error = relative_error(*two_factors(state.weights), watch.against)
                progress(f"rank {rank}: error {error:.2g}", state.step, network.steps)
                if watch.enough(state.step, error):
                    break
            return state, rate
        except DivergenceError:
            if network.rate is not None or halving == _HALVINGS:
                raise
            rate /= 2.0
    raise AssertionError


def largest_rank(observed: Observations) -> int:
    """Give the largest rank that the entries can fix.

    A matrix of rank k has k (rows + columns - k) free numbers; a compressed network of rank k is 2 k wide.

    Args:
        observed: the known entries.

    Returns:
        The rank; 0 where not even rank 1 can be fixed.
    """
    rows, columns = observed.shape
    rank = np.arange(1, min(rows, columns) // 2 + 1)
    return int((rank * (rows + columns - rank) <= len(observed)).sum())


def find_rank(
    train: Observations,
    held: Observations,
    network: Network,
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> Iterator[Fit]:
    """Fit ranks 1, 2, 4, ... until the held-out entries are met no better, then those between for the smallest as good.

    A fit that is much better than the last, and whose truncation is as good, ends the doubling too; the first rank
    between is that of the truncation.

    Args:
        train: the entries to fit.
        held: the entries to judge by.
        network: the network and its descent.
        seed: of the random directions.
        progress: told of steps.

    Yields:
        The fits, in the order in which they were made.
    """
    most, rank, failed = largest_rank(train), 1, 0
    best: Fit | None = None
    while True:
        found = fit_rank(train, held, rank, network, seed=seed, progress=progress)
        yield found
        if best is None or found.error < _BETTER * best.error:
            leap = best is not None and found.error < _LEAP * best.error
            best, failed = found, 0
            # The rank lies between this one and the last. Slowly falling values, where more is always a little better,
            # make no leap.
            if leap and rank // 2 < shown_rank(best, held) < rank:
                break
        else:
            failed += 1
        # Ranks below the true one need not be better each than the one before.
        if (
            failed == 2
            or rank == most
            or found.error < 10.0 * network.tolerance
            or found.error > _WORSE * best.error
        ):
            break
        rank = min(2 * rank, most)
    low, high = best.rank // 2, best.rank
    trial = shown_rank(best, held)
    while high - low > 1:
        if not low < trial < high:
            trial = (low + high) // 2
        found = fit_rank(train, held, trial, network, seed=seed, progress=progress)
        yield found
        best = min(best, found, key=lambda fit: fit.error)
        low, high = (low, trial) if as_good(found.error, best.error) else (trial, high)


def as_good(error: float, best: float) -> bool:
    """Tell whether an error is as good as the best one.

    Args:
        error: of held-out entries.
        best: the smallest error of other fits.

    Returns:
        Whether it lies within 2% of it, or both are zero to four digits.
    """
    return error <= best / _BETTER + 1e-4


def truncate(left: Matrix, right: Matrix, rank: int) -> tuple[Matrix, Matrix, Matrix]:
    """Write a product by its singular values, the leading ones only.

    Args:
        left: [rows, k].
        right: [k, columns].
        rank: how many.

    Returns:
        Left directions [rows, rank], singular values [rank], right directions [rank, columns].
    """
    q1, r1 = np.linalg.qr(left)
    q2, r2 = np.linalg.qr(right.T)
    u, s, vt = np.linalg.svd(r1 @ r2.T)
    return q1 @ u[:, :rank], s[:rank], vt[:rank] @ q2.T


def shown_rank(found: Fit, held: Observations) -> int:
    """Read the rank off a fit that may be of a larger one.

    Args:
        found: a fit.
        held: the held-out entries.

    Returns:
        The smallest rank whose truncation meets the held-out entries as well.
    """
    u, s, vt = truncate(found.left, found.right, found.rank)
    for rank in range(1, found.rank):
        if as_good(relative_error(u[:, :rank] * s[:rank], vt[:rank], held), found.error):
            return rank
    return found.rank
