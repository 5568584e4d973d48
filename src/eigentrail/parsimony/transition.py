"""How many observations a completion needs, by depth: the share of masks from which a matrix is recovered."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from eigentrail.parsimony.problem import Problem
from eigentrail.parsimony.studying import share_interval

#: Observed shares of the entries.
SHARES = (0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6)
#: What counts as the share that would be enough where none of them is.
MORE = 0.7
DEPTHS = (2, 3, 4)
_STEPS = 5000
# Of the product at the start: low rank is found from small weights only, and shallow networks need the smallest.
_SCALE = 1e-5
# Times the observed share: the curvature goes with it.
_RATE = 0.25


def sample_complexity(seeds: Sequence[int], d: int = 30, rank: int = 2) -> pd.DataFrame:
    """Measure the error on unobserved entries against the number of observations.

    Args:
        seeds: of the matrices, the masks and the weights; one mask each.
        d: rows and columns.
        rank: of the truth.

    Returns:
        A row for each seed, share and depth: `seed`, `depth`, `observed`, `error`, `recovered` and `iterations`. The
        products begin alike, with singular values 1e-5.
    """
    rows = []
    for seed in seeds:
        for share in SHARES:
            problem = Problem.draw(d, rank, share, seed)
            for depth in DEPTHS:
                start = problem.plain(d, depth, eps=_SCALE ** (1.0 / depth))
                found = problem.train(start, _STEPS, rate=_RATE / share)
                rows.append({
                    "seed": seed, "depth": depth, "observed": share, "error": found.error, "recovered": found.recovered,
                    "iterations": found.iterations,
                })  # fmt: skip
    return pd.DataFrame(rows)


def enough(samples: pd.DataFrame) -> list[float]:
    """Find how many observations are enough for each depth.

    Args:
        samples: from `sample_complexity`, of one seed.

    Returns:
        By depth, the smallest share from which on the matrix is recovered from every share; `MORE` where none is.
    """
    found = []
    for _, part in samples.groupby("depth"):
        failed = part.loc[~part["recovered"].astype(bool), "observed"].max()
        above = part.loc[~(part["observed"] <= failed), "observed"]
        found.append(float(above.min()) if len(above) else MORE)
    return found


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
