"""What a caller asks of a null model: how many draws, or those of an earlier call."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float64

from eigentrail._arrays import to_float64
from eigentrail._numbers import written
from eigentrail.errors import OptionError, SpectrumError

#: Draws of a null model by default: below it a percentile is called coarse.
ENOUGH = 200


def given(null: Any, what: str, kinds: int | None = None) -> tuple[int, Float64[np.ndarray, "..."] | None]:
    """Read what was given as a null.

    Args:
        null: a number of draws, or what an earlier call drew.
        what: what that is, for the error.
        kinds: how many rows [kinds, draws] it has; None for [draws] in any shape.

    Returns:
        How many draws there are, or are to be made; and those that were given, None where they are to be made.

    Raises:
        OptionError: it is neither.
    """
    if isinstance(null, (int, np.integer)):  # also True and False, which are refused there
        return check_draws(null), None  # type: ignore[arg-type]
    try:
        pool = to_float64(null)
    except (SpectrumError, TypeError, ValueError):
        pool = np.zeros(())
    fits = pool.ndim > 0 if kinds is None else pool.ndim == 2 and len(pool) == kinds
    if not fits or not np.isfinite(pool).all():
        raise OptionError(
            f"null is the number of draws of the null model, 0 or more, or the finite {what} of an earlier call, not "
            f"{written(null)}."
        )
    pool = pool.ravel() if kinds is None else pool
    return pool.shape[-1], pool


def check_draws(draws: int) -> int:
    """Check a number of draws.

    Args:
        draws: the number; 0 for no null model.

    Returns:
        The number.

    Raises:
        OptionError: it is negative or no whole number.
    """
    if isinstance(draws, bool) or not isinstance(draws, (int, np.integer)) or draws < 0:
        raise OptionError(f"null is the number of draws of the null model, 0 or more, not {draws!r}.")
    return int(draws)
