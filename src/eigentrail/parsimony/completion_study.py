"""The study `completion`: compressed, full and narrow networks through the same descent and stopping rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from eigentrail.errors import DivergenceError
from eigentrail.parsimony.claims import COMPLETION
from eigentrail.parsimony.compressed import completion_start, compress, discrepant_rates
from eigentrail.parsimony.data import low_rank
from eigentrail.parsimony.descent import Descent, State, descend
from eigentrail.parsimony.initial import Matrix, initial_weights, stream
from eigentrail.parsimony.invariant import rho_recursion
from eigentrail.parsimony.losses import Factorization, product
from eigentrail.parsimony.masked import MaskedError
from eigentrail.parsimony.observations import observe
from eigentrail.parsimony.studying import Size, Studied, check_size, decide, iterations_to, table

_GOAL = 1e-2
_DEPTH = 3
_EPS = 0.01
_RATE = 1.0


@dataclass(frozen=True)
class Problem:
    """A matrix of rank r, ||Phi||_2 = 1, of which a share is observed.

    Attributes:
        truth: Phi.
        mask: True where it is observed.
        rank: r.
        noise: standard deviation of an observed entry, in units of the root mean square of Phi.
        seed: of Phi, the mask and the noise.
    """

    truth: Matrix
    mask: np.ndarray[Any, np.dtype[np.bool_]]
    rank: int
    noise: float
    seed: int

    @classmethod
    def draw(cls, d: int, rank: int, share: float, seed: int, noise: float = 0.0) -> Problem:
        """Draw one: [d, d] of a rank, each entry observed with probability `share`."""
        mask = stream("mask", seed).random((d, d)) < share
        return cls(low_rank(d, d, rank, seed), mask, rank, noise, seed)

    def loss(self) -> MaskedError:
        """The loss on the observed entries."""
        spread = self.noise * float(np.sqrt(np.mean(self.truth**2)))
        drawn = spread * stream("noise", self.seed).standard_normal(self.truth.shape)
        return MaskedError(observe(self.truth + drawn, self.mask))

    def error(self, state: State) -> float:
        """Relative error on the unobserved entries, to the truth."""
        gap = (product(state.weights) - self.truth)[~self.mask]
        return float(np.linalg.norm(gap) / np.linalg.norm(self.truth[~self.mask]))

    def train(
        self, start: list[Matrix], steps: int, gamma: float | None = None, rate: float = _RATE
    ) -> tuple[float, float]:
        """Descend to an error of 1e-2; `gamma` for a compressed network.

        Returns:
            Iterations (all of them where the error was not reached, so that ratios are bounds) and the last error.
        """
        rates = None if gamma is None else discrepant_rates(len(start) - 2, gamma)
        states = descend(start, self.loss(), Descent(rate, rates=rates), steps)
        try:
            needed, error = iterations_to(states, self.error, _GOAL)
        except DivergenceError:
            return float(steps), float("inf")
        return (float(steps) if np.isnan(needed) else needed), error

    def plain(self, width: int, depth: int = _DEPTH, eps: float = _EPS) -> list[Matrix]:
        """A network of one width without compression: d for the full one, 2r for the narrow one."""
        d = len(self.truth)
        return initial_weights([d, *[width] * (depth - 1), d], eps, seed=self.seed)

    def compressed(self, rank: int, depth: int = _DEPTH, eps: float = _EPS) -> list[Matrix]:
        """The compressed network for a rank estimate."""
        return completion_start(self.loss().observed, rank, depth, eps, self.seed)


def run(seeds: Sequence[int] = tuple(range(10)), size: Size = "small") -> Studied:
    """Measure the claims about factorisation and completion; every seed has a mask of its own.

    Args:
        seeds: of matrices, masks and weights.
        size: "small" for d = 60 and r = 3, "full" for d = 200 and r = 5.

    Returns:
        The tables `completion` (a row for each seed), `samples` (error by depth and observed share, the phase
        transition), `noise` (error to the truth by noise) and `parameters` (trained numbers and bytes), and the
        verdicts.
    """
    check_size(size)
    d, rank, share = (60, 3, 0.3) if size == "small" else (200, 5, 0.2)
    values = [_measure(d, rank, share, seed) for seed in seeds]
    samples = pd.DataFrame([row for seed in seeds for row in sample_complexity(30, 2, seed)])
    for one, seed in zip(values, seeds, strict=True):
        few = samples[(samples.seed == seed) & (samples.observed == _FEW)]
        one["s3-depth-samples"] = few.sort_values("depth").error.tolist()
    tables = {
        "completion": table(values, seeds),
        "samples": samples,
        "noise": pd.DataFrame([row for seed in seeds[:3] for row in _noisy(d, rank, share, seed)]),
        "parameters": parameters(d, rank),
    }
    return Studied(tables, decide(COMPLETION, values))


def _measure(d: int, rank: int, share: float, seed: int) -> dict[str, Any]:
    problem = Problem.draw(d, rank, share, seed)
    full, _ = problem.train(problem.plain(d), 4000)
    compressed, error = problem.train(problem.compressed(rank), 4000, gamma=1.0)
    narrow, _ = problem.train(problem.plain(2 * rank), 8000)
    wider, _ = problem.train(problem.plain(4 * rank), 8000)
    _, stalled = problem.train(problem.compressed(rank), 2000, gamma=0.0)
    over = [problem.train(problem.compressed(times * rank), 4000, gamma=1.0)[1] for times in (1, 2, 5)]
    return {
        "s3-compressed-equals-full": _difference(d, rank, seed),
        "s3-plain-compression": stalled,
        "s3-gamma": error,
        "s3-same-iterations": compressed / full,
        "s3-narrow": narrow / compressed,
        "s3-width": [narrow, wider, full],
        "s3-overestimate": max(over),
        "iterations full": full,
        "iterations compressed": compressed,
        "iterations narrow": narrow,
    }


def _difference(d: int, rank: int, seed: int, steps: int = 500) -> float:
    """Compressed factorisation with the rho term against the full one, over a descent."""
    target = low_rank(d, d, rank, seed)
    start = initial_weights([d] * (_DEPTH + 1), 0.1, seed=seed)
    small = compress(start, target)
    rho = rho_recursion(0.1, _DEPTH, 0.2, steps)
    pairs = zip(
        descend(start, Factorization(target), Descent(0.2), steps),
        descend(small.start, small.loss, Descent(0.2), steps),
        strict=True,
    )
    gaps = [
        np.linalg.norm(product(full.weights) - small.expand(inner.weights, rho[full.step]))
        for full, inner in pairs
        if full.step % 50 == 0
    ]
    return float(max(gaps) / np.linalg.norm(target))


_FEW = 0.3


def sample_complexity(d: int, rank: int, seed: int) -> list[dict[str, Any]]:
    """Measure the error on unobserved entries against the number of observations, for depths 2, 3 and 4.

    Args:
        d: rows and columns.
        rank: of the truth.
        seed: of the matrix, the mask and the weights.

    Returns:
        A row for each depth and share: `seed`, `depth`, `observed`, `error`, `iterations`. The products begin alike,
        with singular values 1e-3.
    """
    rows = []
    for share in (0.2, 0.25, _FEW, 0.35, 0.4, 0.5):
        problem = Problem.draw(d, rank, share, seed)
        for depth in (2, 3, 4):
            start = problem.plain(d, depth, eps=1e-3 ** (1.0 / depth))
            steps, error = problem.train(start, 3000, rate=0.5)
            rows.append(
                {"seed": seed, "depth": depth, "observed": share, "error": error, "iterations": steps}
            )
    return rows


def _noisy(d: int, rank: int, share: float, seed: int) -> list[dict[str, Any]]:
    rows = []
    for noise in (0.0, 0.1, 0.3, 1.0):
        problem = Problem.draw(d, rank, share, seed, noise)
        for name, start, gamma in (
            ("full", problem.plain(d), None),
            ("compressed", problem.compressed(rank), 1.0),
        ):
            _, error = problem.train(start, 1500, gamma)
            rows.append({"seed": seed, "noise": noise, "network": name, "error": error})
    return rows


def parameters(d: int, rank: int, depth: int = _DEPTH) -> pd.DataFrame:
    """Count what is trained.

    Args:
        d: rows and columns.
        rank: the estimate of the rank.
        depth: L.

    Returns:
        `network`, `numbers`, `bytes` of weights in double precision.
    """
    k = 2 * rank
    counts = {
        "full": depth * d * d,
        "narrow": 2 * d * k + max(depth - 2, 0) * k * k,
        "compressed completion": 2 * d * k + depth * k * k,
        "compressed factorisation": depth * k * k,
    }
    return pd.DataFrame([{"network": n, "numbers": c, "bytes": 8 * c} for n, c in counts.items()])
