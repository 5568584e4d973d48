"""A recipe that measures claims by itself, over seeds, without a recorded training to analyse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import pandas as pd

from eigentrail.figures.of_table import TableFigure
from eigentrail.findings import ClaimResult

#: What such a recipe measures: tables by name, and the claims decided over the seeds.
Measures: TypeAlias = tuple[dict[str, pd.DataFrame], list[ClaimResult]]


@dataclass(frozen=True)
class ClaimStudy:
    """An experiment of a source whose claims are measured over seeds.

    Attributes:
        measure: `measure(seeds, size)` with size "small" or "full", gives tables and decided claims.
        seeds: how many seeds unless asked otherwise; claims need three at least.
        figures: what the page draws of the tables.
    """

    measure: Callable[[Sequence[int], Any], Measures]
    seeds: int = 3
    figures: tuple[TableFigure, ...] = ()
