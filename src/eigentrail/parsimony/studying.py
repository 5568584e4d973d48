"""What the studies of parsimony share: statistics of each seed, and their means and intervals over seeds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from eigentrail.errors import OptionError
from eigentrail.findings import Claim, ClaimResult

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


def over_seeds(
    rows: pd.DataFrame, by: Sequence[str], columns: Sequence[str], level: float = 0.95
) -> pd.DataFrame:
    """Bring the rows of several seeds together.

    Args:
        rows: a row for each setting and seed.
        by: the columns that name a setting.
        columns: the numbers.
        level: of the intervals.

    Returns:
        A row for each setting, in the order in which they come: the mean of each number under its name, `NAME low` and
        `NAME high`, its interval by Student's t (the mean itself for a single seed), and `seeds`.
    """
    found = []
    for key, part in rows.groupby(list(by), sort=False):
        one: dict[str, Any] = dict(zip(by, key, strict=True))
        for name in columns:
            x = part[name].to_numpy(dtype=np.float64)
            half = 0.0
            if len(x) > 1:
                half = float(stdtrit(len(x) - 1, 0.5 + level / 2) * x.std(ddof=1) / np.sqrt(len(x)))
            one |= {
                name: float(x.mean()),
                f"{name} low": float(x.mean()) - half,
                f"{name} high": float(x.mean()) + half,
            }
        found.append({**one, "seeds": len(part)})
    return pd.DataFrame(found)


def share_interval(successes: int, of: int, level: float = 0.95) -> tuple[float, float]:
    """Give the interval of a share (Wilson 1927).

    Args:
        successes: how many.
        of: out of so many.
        level: of the interval.

    Returns:
        Its lower and upper end.
    """
    from scipy.stats import binomtest  # takes half a second to import

    found = binomtest(successes, of).proportion_ci(level, method="wilson")
    return float(found.low), float(found.high)
