"""Numbers that a user gives, looked at before anything is computed with them."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from typing import Any

import numpy as np

from eigentrail.errors import OptionError

#: The largest seed that both torch and numpy take.
LARGEST_SEED = 2**63 - 1


def whole(name: str, value: Any, least: int = 0, most: int | None = None) -> int:
    """Read a whole number.

    Args:
        name: what it is called.
        value: what was given.
        least: the smallest that it may be.
        most: the largest that it may be; None for any.

    Returns:
        The number.

    Raises:
        OptionError: it is no whole number, or outside.
    """
    try:
        found = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        found = None
    if found is None or found < least or (most is not None and found > most):
        reach = f"at least {least}" if most is None else f"{least} to {most}"
        raise OptionError(f"{name} is a whole number, {reach}, not {written(value)}.")
    return found


def seed_of(value: Any) -> int:
    """Read a seed.

    Args:
        value: what was given.

    Returns:
        The seed.

    Raises:
        OptionError: it is no whole number from 0 to 2^63 - 1.
    """
    return whole("seed", value, 0, LARGEST_SEED)


def finite(value: Any) -> Any:
    """Make a value fit for JSON, which knows neither NaN nor infinity.

    Args:
        value: plain values, numpy's numbers and arrays, nested in mappings, lists and tuples.

    Returns:
        The same in plain Python values, None for every number that is not finite.
    """
    if isinstance(value, Mapping):
        return {key: finite(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(part) for part in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return finite(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value


def real(name: str, value: Any) -> float:
    """Read a finite number.

    Args:
        name: what it is called.
        value: what was given.

    Returns:
        The number.

    Raises:
        OptionError: it is none, or not finite.
    """
    try:
        found = math.nan if isinstance(value, (bool, str)) else float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not math.isfinite(found):
        raise OptionError(f"{name} is a finite number, not {written(value)}.")
    return found


def written(value: Any) -> str:
    """Write what was given, in one short line.

    Args:
        value: anything.

    Returns:
        At most 60 characters.
    """
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
