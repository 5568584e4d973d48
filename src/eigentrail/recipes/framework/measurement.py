"""What a study measured of its trainings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pandas as pd
import xarray as xr

from eigentrail.recipes.framework.observation import Observation
from eigentrail.runs import Run


@dataclass(frozen=True)
class Measurement:
    """What a study of several trainings measured.

    Attributes:
        table: a row for each training.
        observations: what the claims are decided from; none for a study that only compares.
        data: what the study's own figures show, by name.
        left_out: the trainings that could not be measured, each with the reason.
        missing: why the claims, or a table with numbers, could not be had; empty where they could.
    """

    table: pd.DataFrame
    observations: tuple[Observation, ...] = ()
    data: Mapping[str, xr.Dataset] = field(default_factory=dict)
    left_out: tuple[tuple[str, str], ...] = ()
    missing: str = ""


def joined(by_seed: Mapping[int, Measurement]) -> Measurement:
    """Join what was measured for seeds that were trained one after the other.

    Args:
        by_seed: the measurement of each seed.

    Returns:
        All rows, with `seed`, all observations, and the figures' data of the first seed that has them; `missing` only
        where all lack it.
    """
    if len(by_seed) == 1:
        return next(iter(by_seed.values()))
    tables = [
        one.table if "seed" in one.table else one.table.assign(seed=seed) for seed, one in by_seed.items()
    ]
    known = [one for one in by_seed.values() if not one.missing]
    first = (known or list(by_seed.values()))[0]
    return replace(
        first,
        table=pd.concat(tables, ignore_index=True),
        observations=tuple(found for one in by_seed.values() for found in one.observations),
        left_out=_left_out(by_seed),
    )


def _left_out(by_seed: Mapping[int, Measurement]) -> tuple[tuple[str, str], ...]:
    pairs: Sequence[tuple[str, str]] = [
        (f"{who}, seed {seed}", why) for seed, one in by_seed.items() for who, why in one.left_out
    ]
    return tuple(pairs)


def last_scores(run: Run) -> dict[str, float]:
    """Read the last scores of a training.

    Args:
        run: the run.

    Returns:
        `train_accuracy`, `test_accuracy`, `gap` (their difference) and `train_loss`; NaN for what was not recorded.
    """
    found = {}
    for name in ("train_accuracy", "test_accuracy", "train_loss"):
        known = run.metrics[name].dropna("step").values.tolist() if name in run.metrics else []
        found[name] = float(known[-1]) if len(known) else float("nan")
    return {
        "train_accuracy": found["train_accuracy"],
        "test_accuracy": found["test_accuracy"],
        "gap": found["train_accuracy"] - found["test_accuracy"],
        "train_loss": found["train_loss"],
    }
