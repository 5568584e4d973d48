"""Fill in the missing entries of a matrix of low rank, in one call."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from eigentrail._arrays import like
from eigentrail._numbers import real, seed_of, whole
from eigentrail._progress import Progress, shown
from eigentrail.errors import CompletionError, OptionError
from eigentrail.findings import Chance, Effect, Finding, Verdict
from eigentrail.parsimony.completing import (
    Fit,
    Network,
    as_good,
    find_rank,
    fit_all,
    fit_rank,
    largest_rank,
    truncate,
)
from eigentrail.parsimony.initial import Matrix
from eigentrail.parsimony.masked import entries_at
from eigentrail.parsimony.observations import Observations, check_rows_and_columns, observe

_FEWEST_HELD = 5


@dataclass(frozen=True)
class Completion:
    """A completed matrix.

    Attributes:
        left: [rows, rank] orthonormal left directions.
        values: [rank] singular values of the estimate, from largest to smallest.
        right: [rank, columns] orthonormal right directions.
        error: RMSE over RMS of entries that were held out; None where too few could be.
        interval: its 95% interval, from the spread of the squared errors.
        baseline: the same error of row and column means, what one has without low rank.
        held_out: how many entries were held out.
        history: a row for each rank that was fitted: `rank`, `steps`, `rate`, `loss`, `error`.
        observed: the known entries.
    """

    left: Matrix
    values: Matrix
    right: Matrix
    error: float | None
    interval: tuple[float, float] | None
    baseline: float | None
    held_out: int
    history: pd.DataFrame
    observed: Observations
    _given: Any = None

    @property
    def rank(self) -> int:
        """The rank of the estimate."""
        return len(self.values)

    @property
    def estimate(self) -> Matrix:
        """The matrix of low rank, [rows, columns]; dense."""
        found: Matrix = (self.left * self.values) @ self.right
        return found

    def entries(self, rows: Any, columns: Any) -> Matrix:
        """Give the estimate at some places, without the whole matrix.

        Args:
            rows: [n] rows.
            columns: [n] columns.

        Returns:
            [n] entries.
        """
        i, j = np.asarray(rows, dtype=np.int64), np.asarray(columns, dtype=np.int64)
        return entries_at(
            self.left * self.values, self.right, Observations(self.observed.shape, i, j, np.zeros(len(i)))
        )

    @cached_property
    def matrix(self) -> Any:
        """The completed matrix: observed entries as they were given, the estimate elsewhere.

        A numpy array, torch tensor or pandas table as the matrix was given; dense.
        """
        filled = self.estimate
        filled[self.observed.rows, self.observed.columns] = self.observed.values
        if isinstance(self._given, pd.DataFrame):
            return pd.DataFrame(filled, index=self._given.index, columns=self._given.columns)
        return like(filled, self._given)

    @property
    def finding(self) -> Finding:
        """What came out, as a finding beside row and column means."""
        where = f"rank {self.rank}"
        if self.error is None or self.baseline is None or self.interval is None:
            return Finding(
                "matrix",
                "Is the matrix completed?",
                Verdict.UNDECIDED,
                f"Completed with {where}; too few entries are observed to tell how well.",
                needs_look=True,
                advice="observe more entries",
            )
        better, worse = self.interval[1] < self.baseline, self.interval[0] > self.baseline
        verdict = Verdict.YES if better else Verdict.NO if worse else Verdict.UNDECIDED
        return Finding(
            "matrix",
            "Is the matrix completed?",
            verdict,
            f"Held-out entries are missed by {_percent(self.error)} with {where}; row and column means miss by "
            f"{_percent(self.baseline)}.",
            Effect("relative error of held-out entries", self.error),
            self.interval,
            Chance("row and column means", self.baseline),
            needs_look=not better,
            advice=""
            if better
            else "observe more entries, or do without low rank: it tells no more than means",
        )

    def __repr__(self) -> str:
        rows, columns = self.observed.shape
        return (
            f"<Completion of {rows} x {columns}, {self.observed.share:.1%} observed: {self.finding.sentence}>"
        )


def _percent(error: float) -> str:
    return f"{100 * error:.2g}%" if error < 0.1 else f"{100 * error:.0f}%"


def complete(
    matrix: Any,
    mask: Any = None,
    rank: int | None = None,
    *,
    depth: int = 3,
    gamma: float = 1.0,
    rate: float | None = None,
    momentum: float = 0.9,
    steps: int = 300,
    holdout: float = 0.05,
    seed: int = 0,
    progress: Progress | bool | None = None,
) -> Completion:
    """Complete a matrix of low rank from some of its entries.

    A deep linear network is trained in its invariant subspace only, with the discrepant rate gamma on the outer
    factors (S3, part 4), and what it has found is polished by scaled gradient descent on two factors (Tong et al.
    2021). A share of the observed entries is held out: they tell when to stop, which rank there is and how large the
    error is; then all entries are fitted. Memory is proportional to the observations where few are observed.

    Args:
        matrix: [n, m] array, tensor or table with NaN where an entry is missing; or one of scipy's sparse arrays, whose
            stored entries are the observed ones.
        mask: [n, m] True for an observed entry; None for what is not NaN.
        rank: the rank, if it is known; None to find it.
        depth: the number of inner layers.
        gamma: factor on the rate of the outer factors; 0 would not move them, and fails.
        rate: of the descent, for a matrix of norm 1; None to choose it.
        momentum: of the descent.
        steps: at most so many for each rank, of the network and again of the factors.
        holdout: the share of the observed entries that is held out.
        seed: of the random directions and of the choice of held-out entries.
        progress: True for lines or a bar on standard error, False for none, None for a bar on a terminal.

    Returns:
        The completed matrix, its rank and its error.

    Raises:
        CompletionError: nothing is missing, nothing is known of a row or column, an observed entry is not finite, or
            the observations cannot fix the rank.
        DivergenceError: the descent diverges with the rate that was given.
        OptionError: an argument is outside what it may be.
    """
    observed = observe(matrix, mask)
    if len(observed) == observed.shape[0] * observed.shape[1]:
        raise CompletionError(
            "all entries are observed: nothing is missing (mark missing entries by NaN or a mask)."
        )
    return fit_completion(
        observed,
        rank,
        Network(
            depth=whole("depth", depth, 1),
            gamma=gamma,
            rate=rate,
            momentum=momentum,
            steps=whole("steps", steps, 1),
        ),
        holdout=holdout,
        seed=seed,
        progress=progress,
        given=matrix,
    )


def fit_completion(
    observed: Observations,
    rank: int | None,
    network: Network,
    *,
    holdout: float = 0.05,
    seed: int = 0,
    progress: Progress | bool | None = None,
    given: Any = None,
) -> Completion:
    """Complete a matrix from its observations, of which there may be all.

    Args:
        observed: the known entries.
        rank: the rank; None to find it.
        network: the network and its descent.
        holdout: the share of the entries that is held out.
        seed: of everything random.
        progress: see `complete`.
        given: what the matrix was given as.

    Returns:
        The completed matrix.

    Raises:
        CompletionError: the observations do not fix the matrix.
        OptionError: an argument is outside what it may be.
    """
    if not 0.0 < real("holdout", holdout) <= 0.5:
        raise OptionError(f"holdout is above 0 and at most 0.5, not {holdout:g}.")
    seed = seed_of(seed)
    check_rows_and_columns(observed)
    most = largest_rank(observed)
    if most < 1:
        raise CompletionError(
            f"{len(observed)} entries of a {observed.shape[0]} x {observed.shape[1]} matrix do not fix even rank 1: "
            "observe more."
        )
    if rank is not None and whole("rank", rank, 1) > most:
        raise CompletionError(
            f"rank {rank} is more than the {len(observed)} observed entries of a {observed.shape[0]} x "
            f"{observed.shape[1]} matrix can fix: take at most {most}."
        )
    train, held = observed.hold_out(holdout, seed)
    if len(held) < _FEWEST_HELD or (largest_rank(train) < (rank or 1)) or not held.values.any():
        train, held = observed, observed.part(np.zeros(len(observed), dtype=bool))
    fits: list[Fit] = []
    with shown("completing", progress) as report:
        if rank is None and len(held):
            for found in find_rank(train, held, network, seed=seed, progress=report):
                fits.append(found)
        else:
            fits.append(fit_rank(train, held, rank or 1, network, seed=seed, progress=report))
        best = _chosen(fits)
        final = fit_all(observed, best, network) if len(held) else best
        report(f"rank {best.rank}", network.steps, network.steps)
    left, values, right = truncate(final.left, final.right, best.rank)
    error, interval = _error(best, held)
    history = pd.DataFrame(
        [(f.rank, f.steps, f.rate, f.loss, f.error if len(held) else math.nan) for f in fits],
        columns=["rank", "steps", "rate", "loss", "error"],
    )
    baseline = _means_error(train, held) if len(held) else None
    return Completion(left, values, right, error, interval, baseline, len(held), history, observed, given)


def _chosen(fits: list[Fit]) -> Fit:
    """The smallest rank that is as good as the best one."""
    best = min(fit.error for fit in fits)
    return min((fit for fit in fits if as_good(fit.error, best)), key=lambda fit: fit.rank)


def _error(best: Fit, held: Observations) -> tuple[float | None, tuple[float, float] | None]:
    if not len(held):
        return None, None
    squared = (entries_at(best.left, best.right, held) - held.values) ** 2
    size = float(np.mean(held.values**2))
    mean, spread = float(squared.mean()), 1.96 * float(squared.std(ddof=1)) / math.sqrt(len(squared))
    low, high = (math.sqrt(max(mean + side * spread, 0.0) / size) for side in (-1, 1))
    return math.sqrt(mean / size), (low, high)


def _means_error(train: Observations, held: Observations) -> float:
    """The error of the mean plus what rows and columns are above it."""
    mean = float(train.values.mean())
    effect = []
    rest = train.values - mean
    for places, at, count in (
        (train.rows, held.rows, train.shape[0]),
        (train.columns, held.columns, train.shape[1]),
    ):
        number = np.bincount(places, minlength=count)
        average = np.bincount(places, weights=rest, minlength=count) / np.maximum(number, 1)
        rest -= average[places]
        effect.append(average[at])
    gap = mean + effect[0] + effect[1] - held.values
    return float(np.linalg.norm(gap) / np.linalg.norm(held.values))
