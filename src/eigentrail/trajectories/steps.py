"""Which of the recorded steps are looked at closely: log-spaced, and kept when the run grows."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Int64

FEWEST_POINTS = 3
_COARSEST = -6


def nested_log_steps(steps: Int64[np.ndarray, " t"], points: int) -> Int64[np.ndarray, " n"]:
    """Choose at most `points` recorded steps, log-spaced from the first one.

    The grid of level k holds the offsets 0 and round(2^(j / 2^k)), j = 0, 1, ..., from the first step; each offset
    stands for the first recorded step that is not before it. Every grid holds the coarser ones, so a run that grows
    and needs a coarser grid keeps what was computed; only its last step, which is always chosen, may be dropped.

    Args:
        steps: the recorded steps, ascending.
        points: the largest number to choose, at least 3.

    Returns:
        Rows into `steps`, ascending; all of them where they are few enough.
    """
    if len(steps) <= points:
        return np.arange(len(steps), dtype=np.int64)
    rows = _grid(steps, level := math.ceil(math.log2(points)))
    while len(rows) > points and level > _COARSEST:
        level -= 1
        rows = _grid(steps, level)
    return rows


def _grid(steps: Int64[np.ndarray, " t"], level: int) -> Int64[np.ndarray, " n"]:
    since = steps - steps[0]
    per_octave = 2.0**level
    count = math.floor(math.log2(float(since[-1])) * per_octave) + 1
    wanted = np.round(2.0 ** (np.arange(count) / per_octave)).astype(np.int64)
    wanted = np.concatenate([[0], wanted[wanted <= since[-1]]])
    rows = np.searchsorted(since, wanted, side="left")
    return np.unique(np.append(rows, len(steps) - 1)).astype(np.int64)
