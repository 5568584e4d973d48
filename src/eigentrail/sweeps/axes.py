"""The values of an axis: a list, an even range, or a range of equal factors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from eigentrail.errors import OptionError

# Sums of steps are rounded to so many significant digits, so that 0.1 + 0.2 is the 0.3 that was meant.
_DIGITS = 12
_RANGE = {"from", "to", "step", "count", "factor", "log"}
_SHAPES = (
    "a list; {from, to, step} or {from, to, count} for even steps; {from, to, factor} or {from, to, count, log = true} "
    "for equal factors"
)


def values_of(name: str, given: Any) -> tuple[Any, ...]:
    """Read the values of an axis.

    Args:
        name: the axis, for errors.
        given: a sequence of values, or a mapping with `from`, `to` and one of `step`, `count`, `factor`; with `count`,
            `log = true` gives equal factors instead of even steps. Both ends are values wherever the steps reach them.

    Returns:
        The values, in the order given.

    Raises:
        OptionError: there is none, one is given twice, or the range is none.
    """
    if isinstance(given, Mapping):
        values = _range(name, given)
    elif isinstance(given, Sequence) and not isinstance(given, (str, bytes)):
        values = tuple(given)
    else:
        raise OptionError(f"axis {name} = {given!r}: give {_SHAPES}")
    if not values:
        raise OptionError(f"axis {name} is empty: give at least one value")
    seen: set[str] = set()
    for value in values:
        # 1 and 1.0 are one value, and tables of settings cannot be hashed.
        told = (
            repr(float(value))
            if isinstance(value, (int, float)) and not isinstance(value, bool)
            else repr(value)
        )
        if told in seen:
            raise OptionError(f"axis {name} holds {value!r} twice: give it once")
        seen.add(told)
    return values


def _range(name: str, given: Mapping[str, Any]) -> tuple[Any, ...]:
    odd = sorted(set(given) - _RANGE)
    how = [key for key in ("step", "count", "factor") if key in given]
    if odd or len(how) != 1 or not {"from", "to"} <= set(given):
        raise OptionError(f"axis {name} = {dict(given)!r}: give {_SHAPES}")
    numbers = {key: given[key] for key in given if key != "log"}
    if any(
        isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value)
        for value in numbers.values()
    ):
        raise OptionError(f"axis {name} = {dict(given)!r}: a range is made of numbers")
    first, last, by = given["from"], given["to"], given[how[0]]
    log = bool(given.get("log", False))
    if how[0] == "count":
        return _counted(name, first, last, by, log)
    if log:
        raise OptionError(f"axis {name}: log = true needs count; for equal factors give factor")
    if how[0] == "step":
        if by == 0 or (last - first) / by < 0:
            raise OptionError(f"axis {name}: steps of {by} do not lead from {first} to {last}")
        return tuple(_tidy(first + i * by) for i in range(int((last - first) / by + 1e-9) + 1))
    if first == 0 or by <= 0 or by == 1 or last / first <= 0 or (last / first - 1) * (by - 1) < 0:
        raise OptionError(f"axis {name}: factors of {by} do not lead from {first} to {last}")
    return tuple(_tidy(first * by**i) for i in range(int(math.log(last / first) / math.log(by) + 1e-9) + 1))


def _counted(name: str, first: float, last: float, count: Any, log: bool) -> tuple[Any, ...]:
    if not isinstance(count, int) or count < 2:
        raise OptionError(f"axis {name}: count = {count!r}, give a whole number of at least 2")
    if log and (first == 0 or last / first <= 0):
        raise OptionError(f"axis {name}: equal factors do not lead from {first} to {last}")
    parts = [i / (count - 1) for i in range(count)]
    if log:
        return tuple(_tidy(first * (last / first) ** part) for part in parts)
    return tuple(_tidy(first + (last - first) * part) for part in parts)


def _tidy(value: float) -> float | int:
    """Round away what adding up has left; a whole number stays one."""
    if isinstance(value, int):
        return value
    told = float(f"{value:.{_DIGITS}g}")
    return int(told) if told.is_integer() and abs(told) < 2**53 and told != 0 else told
