"""A recipe that measures claims by itself, over seeds, without a recorded training to analyse."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, overload

import pandas as pd

from eigentrail._progress import Progress
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

    def measured(self, seeds: Sequence[int], size: str, tell: Progress) -> Measures:
        """Measure, and report each seed as it begins.

        Args:
            seeds: for which.
            size: "small" or "full".
            tell: told about the progress.

        Returns:
            Tables and decided claims.
        """
        found = self.measure(_Told(seeds, tell), size)
        tell("done", len(seeds), len(seeds))
        return found


class _Told(Sequence[int]):
    """Seeds that are reported as they are first gone through: what measures needs to know nothing of it.

    Args:
        seeds: the seeds.
        tell: told about each.
    """

    def __init__(self, seeds: Sequence[int], tell: Progress) -> None:
        self._seeds, self._tell, self._told = seeds, tell, 0

    def __len__(self) -> int:
        return len(self._seeds)

    @overload
    def __getitem__(self, place: int) -> int: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[int]: ...
    def __getitem__(self, place: int | slice) -> int | Sequence[int]:
        return self._seeds[place]

    def __iter__(self) -> Iterator[int]:
        for place, seed in enumerate(self._seeds):
            if place == self._told:
                self._told += 1
                self._tell(f"seed {seed}", place, len(self._seeds))
            yield seed
