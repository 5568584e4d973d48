"""Means over seeds, and differences from plain training on the same seeds, with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import scipy.stats

#: Mean accuracy of guessing among all ten classes, and of one task with its five classes.
FLOOR, SINGLE = 0.1, 0.2


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Give the 95% confidence interval of a mean (Student's t).

    Args:
        values: one for each seed.

    Returns:
        Its ends; the mean itself twice with fewer than three.
    """
    x = np.asarray(values, dtype=np.float64)
    if len(x) < 3:
        return float(x.mean()), float(x.mean())
    half = float(scipy.stats.t.ppf(0.975, len(x) - 1) * x.std(ddof=1) / np.sqrt(len(x)))
    return float(x.mean()) - half, float(x.mean()) + half


def summary(runs: pd.DataFrame, number: str = "mean", against: str = "plain") -> pd.DataFrame:
    """Sum up what each way reaches in each case.

    Args:
        runs: `case`, `seed`, `way` and the numbers.
        number: the column that is compared.
        against: the way whose value for the same seed is taken off for `gain`.

    Returns:
        A row per case and way: mean accuracies, the interval of `number`, `gain` with its interval, the floors.
    """
    rows: list[dict[str, Any]] = []
    for (case, way), part in runs.groupby(["case", "way"], sort=False):
        plain = runs[(runs["case"] == case) & (runs["way"] == against)].set_index("seed")[number]
        own = part.set_index("seed")[number]
        gains = (own - plain).dropna()
        low, high = interval(own.tolist())
        gain_low, gain_high = interval(gains.tolist()) if len(gains) else (np.nan, np.nan)
        means = {
            name: float(part[name].mean())
            for name in ("first", "second", "epoch", "strength", "directions")
            if name in part
        }
        rows.append(
            {
                "case": case, "way": way, **means, number: float(own.mean()), "low": low, "high": high,
                "gain": float(gains.mean()), "gain low": gain_low, "gain high": gain_high,
                "seeds": len(own), "floor": FLOOR, "single-task chance": SINGLE,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)
