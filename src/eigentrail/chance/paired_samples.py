"""Whether one classifier is better than another, judged on the same samples (McNemar's exact test)."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import bdtr, bdtrc

from eigentrail.chance.comparing import Side
from eigentrail.errors import OptionError


def paired_p(first: Any, second: Any, side: Side = "greater") -> float:
    """Test whether the first is right more often than the second.

    Only samples that one of them gets right and the other wrong tell the two apart; without a difference each of these
    is a fair coin (McNemar 1947, exact).

    Args:
        first: [n] whether it is right for each sample.
        second: [n] the same of the other one, for the same samples.
        side: "greater" where the first is better under the alternative, "less" where it is worse, "two" for either.

    Returns:
        The p-value; 1 where the two are right for the same samples. It is conservative: counts are whole numbers.

    Raises:
        OptionError: there are not as many of both, or there is no such side.
    """
    a, b = np.asarray(first, dtype=bool).ravel(), np.asarray(second, dtype=bool).ravel()
    if a.shape != b.shape:
        raise OptionError(f"a paired test needs the same samples: {len(a)} and {len(b)} are given")
    if side not in {"greater", "less", "two"}:
        raise OptionError(f'side is "greater", "less" or "two", not {side!r}')
    wins, losses = int((a & ~b).sum()), int((~a & b).sum())
    if wins + losses == 0:
        return 1.0
    upper = float(bdtrc(wins - 1, wins + losses, 0.5))
    lower = float(bdtr(wins, wins + losses, 0.5))
    return {"greater": upper, "less": lower, "two": min(1.0, 2.0 * min(upper, lower))}[side]
