"""What the studies of parsimony share: values of statistics over seeds, and iterations to a goal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from eigentrail.errors import OptionError
from eigentrail.findings import Claim, ClaimResult
from eigentrail.parsimony.descent import State

Size = Literal["small", "full"]


class Studied(NamedTuple):
    """What a study gives.

    Attributes:
        tables: by name, a row for each seed or setting.
        claims: the claims, decided over the seeds.
    """

    tables: dict[str, pd.DataFrame]
    claims: list[ClaimResult]


def check_size(size: str) -> None:
    """Make sure that a size is known.

    Args:
        size: "small" or "full".

    Raises:
        OptionError: it is neither.
    """
    if size not in {"small", "full"}:
        raise OptionError(f"size is small (two cores, minutes) or full (the source's), not {size!r}.")


def decide(
    claims: Iterable[Claim],
    values: Sequence[Mapping[str, Any]],
    chance: Sequence[Mapping[str, float]] = (),
) -> list[ClaimResult]:
    """Decide claims from the statistics of each seed.

    Args:
        claims: the claims.
        values: for each seed, the statistic by the claim's id.
        chance: for each seed, what chance gives for those that compare with it.

    Returns:
        The verdicts, in the order of the claims.
    """
    found = []
    for claim in claims:
        null = [one[claim.id] for one in chance if claim.id in one]
        found.append(claim.decide([one[claim.id] for one in values], null))
    return found


def table(values: Sequence[Mapping[str, Any]], seeds: Sequence[int]) -> pd.DataFrame:
    """Write the statistics of each seed as a table.

    Args:
        values: for each seed, the statistic by name.
        seeds: the seeds.

    Returns:
        A row for each seed.
    """
    rows = [
        {
            name: np.round(v, 12).tolist() if isinstance(v, (list, np.ndarray)) else v
            for name, v in one.items()
        }
        for one in values
    ]
    return pd.DataFrame(rows, index=pd.Index(list(seeds), name="seed"))


def iterations_to(
    states: Iterable[State], error: Callable[[State], float], goal: float, every: int = 5
) -> tuple[float, float]:
    """Descend until an error falls below a goal.

    Args:
        states: the descent.
        error: of a state.
        goal: where to stop.
        every: the error is looked at every so many steps.

    Returns:
        The number of the step, NaN where it was not reached, and the last error.
    """
    last = float("nan")
    for state in states:
        if state.step % every == 0:
            last = error(state)
            if last < goal:
                return float(state.step), last
    return float("nan"), last
