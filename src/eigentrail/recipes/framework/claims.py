"""What a source claims, what was measured, and whether the claim holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import pandas as pd
import xarray as xr

from eigentrail.runs import Run

Verdict = Literal["holds", "does not hold", "not decided"]

COLUMNS = ("source", "claim", "verdict", "quantity", "observed", "chance", "finding")


@dataclass(frozen=True)
class Claim:
    """One claim of a source, confronted with a measurement.

    Attributes:
        source: where it is made.
        claim: what is claimed, in one sentence.
        verdict: whether it holds here.
        quantity: what was measured.
        observed: its value; None where it could not be measured.
        chance: what chance, or the rival explanation, gives for it; None where there is no such number.
        finding: what was found, in words with numbers.
    """

    source: str
    claim: str
    verdict: Verdict
    quantity: str
    observed: float | None
    chance: float | None
    finding: str


@dataclass(frozen=True)
class Measured:
    """What a study of several trainings found.

    Attributes:
        table: a row for each training.
        claims: the claims that were looked at; none for a study that only compares.
        data: what the study's own figures show, by name.
        left_out: the trainings that could not be measured, each with the reason.
        missing: why the claims, or a table with numbers, could not be had; empty where they could.
    """

    table: pd.DataFrame
    claims: tuple[Claim, ...] = ()
    data: Mapping[str, xr.Dataset] = field(default_factory=dict)
    left_out: tuple[tuple[str, str], ...] = ()
    missing: str = ""

    @property
    def claims_table(self) -> pd.DataFrame:
        """A row for each claim, with the columns `COLUMNS`; NaN where there is no number."""
        rows = [{name: getattr(one, name) for name in COLUMNS} for one in self.claims]
        table = pd.DataFrame(rows, columns=list(COLUMNS))
        return table.astype({"observed": float, "chance": float})


def decide(holds: bool | None) -> Verdict:
    """Put a decision into words.

    Args:
        holds: whether a claim holds; None where it cannot be told.

    Returns:
        The verdict.
    """
    if holds is None:
        return "not decided"
    return "holds" if holds else "does not hold"


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
