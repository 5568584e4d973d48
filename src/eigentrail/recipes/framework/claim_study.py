"""A recipe that measures claims by itself, over seeds, without a recorded training to analyse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import pandas as pd

from eigentrail.findings import ClaimResult

#: What such a recipe measures: tables by name, and the claims decided over the seeds.
Measures: TypeAlias = tuple[dict[str, pd.DataFrame], list[ClaimResult]]


@dataclass(frozen=True)
class ClaimStudy:
    """An experiment of a source whose claims are measured over seeds.

    Attributes:
        name: its name.
        source: the document and place.
        shows: what it shows, in one line.
        minutes: how long it takes on two cores; `full` tells of the source's size.
        disk: what it leaves on disk.
        measure: `measure(seeds, size)` with size "small" or "full", gives tables and decided claims.
        seeds: how many seeds unless asked otherwise; claims need three at least.
        data: what it is measured on, for lists.
    """

    name: str
    source: str
    shows: str
    minutes: str
    disk: str
    measure: Callable[[Sequence[int], Any], Measures]
    seeds: int = 3
    data: str = "made here"
