"""A claim about one recorded training, whose statistic is a number of its scores or analyses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from eigentrail.findings import Claim
from eigentrail.recipes.framework.observation import Observation

#: Stands for the scores of the training itself, in the place of an analysis; its one row is called "network".
TRAINING = "training"


@dataclass(frozen=True)
class RunClaim:
    """A claim and where its statistic stands.

    Attributes:
        claim: the claim.
        analysis: the analysis whose table has it, or `TRAINING`.
        layer: the row of the table.
        value: from the row, the statistic.
        chance: from the row, what chance gives; None for rules that need none.
    """

    claim: Claim
    analysis: str
    layer: str
    value: Callable[[Mapping[str, Any]], float]
    chance: Callable[[Mapping[str, Any]], float] | None = None

    def observe(self, tables: Mapping[str, pd.DataFrame]) -> Observation:
        """Read the statistic of one training.

        Args:
            tables: of its analyses, and of the training itself, by name; each has a column `name`.

        Returns:
            The observation; without a number where the analysis, the layer or the number is lacking.
        """
        table = tables.get(self.analysis)
        rows = [] if table is None else table[table["name"] == self.layer].to_dict(orient="records")
        try:
            row = {str(key): value for key, value in rows[0].items()}
            value = float(self.value(row))
            chance = () if self.chance is None else (float(self.chance(row)),)
        except (IndexError, TypeError, ZeroDivisionError):
            why = f"not measured: {self.analysis} has no such number of {self.layer}"
            return Observation(self.claim, (float("nan"),), (), why)
        return Observation(self.claim, (value,), chance)
