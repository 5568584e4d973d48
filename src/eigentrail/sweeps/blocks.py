"""The runs of a sweep as blocks: for each seed and each setting of the other axes, a run for each value of an axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float64

#: Columns of a table that are no axis and no measure.
ABOUT = ("seed", "status", "reason", "steps", "epochs", "seconds", "run")


@dataclass(frozen=True)
class Blocks:
    """A measure of runs that differ in one axis only, side by side.

    Attributes:
        axis: the axis.
        measure: the measure.
        levels: the values of the axis [K], in their order.
        values: [S, C, K] the measure of each seed, each setting of the other axes and each value of the axis.
        seeds: the seeds [S].
        ordered: whether the values are numbers, which have an order.
        left_out: why values, seeds or settings are missing; empty where none is.
    """

    axis: str
    measure: str
    levels: tuple[Any, ...]
    values: Float64[np.ndarray, "s c k"]
    seeds: tuple[int, ...]
    ordered: bool
    left_out: str = ""

    @property
    def usable(self) -> bool:
        """Whether there is something to compare: two values of the axis in at least one block."""
        return len(self.levels) > 1 and self.values.size > 0

    @property
    def by_seed(self) -> Float64[np.ndarray, "s k"]:
        """The measure of each seed, averaged over the other axes."""
        return np.asarray(self.values.mean(axis=1))


def axes_of(table: pd.DataFrame, measures: Sequence[str]) -> list[str]:
    """Name the axes of a table.

    Args:
        table: of a sweep.
        measures: which columns are measures.

    Returns:
        The columns before `seed` that are no measure.
    """
    names = list(map(str, table.columns))
    return [name for name in names[: names.index("seed")] if name not in measures]


def blocks_of(table: pd.DataFrame, axes: Sequence[str], axis: str, measure: str) -> Blocks:
    """Put the runs side by side that differ in one axis only.

    Only whole blocks compare like with like: where runs diverged, first the values of the axis go that have no run,
    then settings of the other axes that lack some for every seed, then seeds that lack some.

    Args:
        table: a row for each run.
        axes: all axes.
        axis: the one that is compared.
        measure: the measure.

    Returns:
        The blocks.
    """
    rows = table[pd.to_numeric(table[measure], errors="coerce").notna()]
    others = [name for name in axes if name != axis]
    every = list(dict.fromkeys(table[axis]))
    ordered = all(
        isinstance(value, (int, float, np.number)) and not isinstance(value, bool) for value in every
    )
    levels = sorted(every) if ordered else every
    there = set(rows[axis])
    kept = [level for level in levels if level in there]
    told = [f"{axis} {level} has no run to compare" for level in levels if level not in there]
    key = [" ".join(map(str, values)) for values in zip(*(rows[name] for name in others), strict=True)] or [
        ""
    ] * len(rows)
    cube = {
        (str(setting), int(seed), level): float(value)
        for setting, seed, level, value in zip(key, rows["seed"], rows[axis], rows[measure], strict=True)
    }
    seeds = sorted({int(seed) for seed in rows["seed"]})
    settings = list(dict.fromkeys(map(str, key)))
    whole = [c for c in settings if all(any((c, s, level) in cube for s in seeds) for level in kept)]
    if len(whole) < len(settings):
        told.append(f"{len(settings) - len(whole)} of {len(settings)} other settings lack runs")
    full = [s for s in seeds if all((c, s, level) in cube for c in whole for level in kept)]
    if len(full) < len(seeds):
        told.append(f"{len(seeds) - len(full)} of {len(seeds)} seeds lack runs")
    values = np.array(
        [[[cube[c, s, level] for level in kept] for c in whole] for s in full], dtype=np.float64
    )
    return Blocks(
        axis, measure, tuple(kept), values.reshape(len(full), len(whole), len(kept)), tuple(full), ordered,
        "; ".join(told),
    )  # fmt: skip
