"""How many observations a completion needs, by depth: the share of masks from which a matrix is recovered."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from eigentrail.parsimony.problem import Problem
from eigentrail.parsimony.studying import share_interval

#: Observed shares of the entries.
SHARES = (0.2, 0.25, 0.3, 0.35, 0.4, 0.5)
#: Where the claim about depth is asked: enough observations for depth 4, too few for depth 2.
FEW = 0.3
DEPTHS = (2, 3, 4)
_STEPS = 3000


def sample_complexity(seeds: Sequence[int], d: int = 30, rank: int = 2) -> pd.DataFrame:
    """Measure the error on unobserved entries against the number of observations.

    Args:
        seeds: of the matrices, the masks and the weights; one mask each.
        d: rows and columns.
        rank: of the truth.

    Returns:
        A row for each seed, share and depth: `seed`, `depth`, `observed`, `error`, `recovered` and `iterations`. The
        products begin alike, with singular values 1e-3.
    """
    rows = []
    for seed in seeds:
        for share in SHARES:
            problem = Problem.draw(d, rank, share, seed)
            for depth in DEPTHS:
                found = problem.train(problem.plain(d, depth, eps=1e-3 ** (1.0 / depth)), _STEPS, rate=0.5)
                rows.append({
                    "seed": seed, "depth": depth, "observed": share, "error": found.error, "recovered": found.recovered,
                    "iterations": found.iterations,
                })  # fmt: skip
    return pd.DataFrame(rows)


def transition(samples: pd.DataFrame) -> pd.DataFrame:
    """Bring the masks together.

    Args:
        samples: from `sample_complexity`.

    Returns:
        A row for each depth and share: `depth`, `observed`, `masks`, the share that was `recovered` to 1e-2 with its
        95% interval (`low`, `high`; Wilson), and the median `error`.
    """
    rows = []
    for (depth, share), part in samples.groupby(["depth", "observed"]):
        count, done = len(part), int(part["recovered"].sum())
        low, high = share_interval(done, count)
        rows.append({
            "depth": depth, "observed": share, "masks": count, "recovered": done / count, "low": low, "high": high,
            "error": float(part["error"].median()),
        })  # fmt: skip
    return pd.DataFrame(rows)
