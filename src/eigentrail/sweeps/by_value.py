"""A sweep's table summed up: what was measured at each value of an axis, side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from eigentrail.sweeps.effects import difference


def by_value(table: pd.DataFrame, axis: str, measures: Sequence[str]) -> pd.DataFrame:
    """Average the runs of each value of an axis.

    Args:
        table: a row for each run.
        axis: the axis.
        measures: the measures.

    Returns:
        A row for each value, in the table's order: runs that finished, the range of their steps, and of each measure
        the mean over seeds and other axes with its 95% interval over seeds.
    """
    rows = []
    for value, part in table.groupby(table[axis].map(str), sort=False):
        done = part[part["status"] == "finished"]
        steps = done["steps"].dropna()
        few, many = (int(steps.min()), int(steps.max())) if len(steps) else (0, 0)
        row = {
            axis: part[axis].iloc[0] if len(part) else value,
            "runs": f"{len(done)} of {len(part)}",
            "steps": f"{few:,}" if few == many else f"{few:,} to {many:,}",
        }
        for name in measures:
            numbers = pd.to_numeric(done[name], errors="coerce")
            by_seed = numbers.groupby(done["seed"]).mean().dropna().to_numpy(dtype=np.float64)
            row[name] = _told(by_seed)
        rows.append(row)
    return pd.DataFrame(rows)


def _told(by_seed: np.ndarray) -> str:
    if not len(by_seed):
        return ""
    mean = difference(by_seed, np.random.default_rng(0))
    return f"{mean.value:.4g}" + ("" if len(by_seed) < 2 else f" ({mean.low:.3g} to {mean.high:.3g})")
