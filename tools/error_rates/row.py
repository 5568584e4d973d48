"""A statement, what is or is not planted, the rate that is stated for it, and how often it was made."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from scipy.stats import binom

DRAWS, POWER_DRAWS = 200, 50
#: Chance of a row outside its bound though its stated rate is true.
OUTSIDE = 1e-3
#: Draws of the null models within a row.
NULL = 99


@dataclass(frozen=True)
class Row:
    """A statement under one null model, or where something is planted.

    Attributes:
        group: what is tested together.
        statement: what is said.
        null: under what.
        stated: how often it may be said; where something is planted, how often it is said at least;
            None: no rate is stated there, and the row only tells what happens.
        says: whether it is said, for one seed.
        power: whether something is planted.
        draws: how many draws; None for the default.
    """

    group: str
    statement: str
    null: str
    stated: float | None
    says: Callable[[int], bool]
    power: bool = False
    draws: int | None = None

    @property
    def usual(self) -> int:
        """How many draws are made where nothing else is asked."""
        return self.draws or (POWER_DRAWS if self.power else DRAWS)

    def measured(self, draws: int | None = None, first: int = 0) -> dict[str, Any]:
        """Count how often it is said.

        Args:
            draws: how many draws; None for the row's own.
            first: the first seed.

        Returns:
            The row of the table.
        """
        count = draws or self.usual
        return self.told(sum(bool(self.says(first + seed)) for seed in range(count)), count)

    def told(self, said: int, count: int) -> dict[str, Any]:
        """Set a count beside the stated rate.

        Args:
            said: how often it was said.
            count: of how many draws.

        Returns:
            The row of the table, with today's date.
        """
        low, high = (0, count) if self.stated is None else bounds(self.stated, count, self.power)
        return {
            "group": self.group,
            "statement": self.statement,
            "null": self.null,
            "planted": self.power,
            "stated": self.stated,
            "draws": count,
            "said": said,
            "measured": said / count,
            "bound": None if self.stated is None else low if self.power else high,
            "within": low <= said <= high,
            "date": datetime.date.today().isoformat(),
        }


def bounds(stated: float, draws: int, power: bool) -> tuple[int, int]:
    """Give the counts between which a true rate lies.

    Args:
        stated: the rate.
        draws: of how many draws.
        power: whether the rate is the least one, not the largest.

    Returns:
        The smallest and the largest count.
    """
    if power:
        return int(binom.ppf(OUTSIDE, draws, stated)), draws
    return 0, int(binom.ppf(1.0 - OUTSIDE, draws, stated))
