"""Which end of a spectrum is asked for."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Int64

from eigentrail.errors import OptionError

Which: TypeAlias = Literal["largest", "smallest", "both"]


def counts_at_ends(which: Which, k: int) -> tuple[int, int]:
    """Split k pairs on the ends.

    Args:
        which: "largest", "smallest", or "both" for half from each end (the odd one from the upper end).
        k: how many pairs in all.

    Returns:
        How many from the lower end and how many from the upper end.

    Raises:
        OptionError: there is no such end.
    """
    if which == "largest":
        return 0, k
    if which == "smallest":
        return k, 0
    if which == "both":
        return k // 2, k - k // 2
    raise OptionError(f'which is "largest", "smallest" or "both", not {which!r}.')


def wanted_places(which: Which, k: int, m: int) -> Int64[np.ndarray, " k"]:
    """Find k wanted values among m ascending ones.

    Args:
        which: see `counts_at_ends`.
        k: how many pairs in all, at most m.
        m: how many values there are.

    Returns:
        [k] ascending places.
    """
    low, high = counts_at_ends(which, k)
    return np.concatenate([np.arange(low), np.arange(m - high, m)]).astype(np.int64)
