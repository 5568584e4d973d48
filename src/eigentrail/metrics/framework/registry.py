"""The metrics there are: found by their place in this package, and by the entry points of other packages."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

from eigentrail.errors import OptionError
from eigentrail.metrics.framework.contract import Column, Metric

#: Entry points of this group name a `Metric`, or a module that holds some.
GROUP = "eigentrail.metrics"


@cache
def metrics() -> tuple[Metric, ...]:
    """Collect the metrics.

    Returns:
        The package's own by their `order`, then those of other packages.

    Raises:
        OptionError: two fill the same column, or an entry point names something else.
    """
    place = Path(__file__).parents[1]
    own = [
        one
        for info in pkgutil.iter_modules([str(place)], "eigentrail.metrics.")
        if not info.ispkg
        for one in _metrics_of(importlib.import_module(info.name))
    ]
    own.sort(key=lambda one: (one.order, one.name))
    found = (*own, *sorted(_foreign(), key=lambda one: one.order))
    filled: dict[str, Metric] = {}
    for one in found:
        for column in one.columns:
            if (other := filled.setdefault(column.name, one)) is not one:
                raise OptionError(
                    f"two metrics fill the column {column.name}: {other.module}.{other.name} and "
                    f"{one.module}.{one.name}; rename one of them"
                )
    return found


def _metrics_of(module: object) -> list[Metric]:
    name = getattr(module, "__name__", "")
    return [one for one in vars(module).values() if isinstance(one, Metric) and one.module == name]


def _foreign() -> list[Metric]:
    found: list[Metric] = []
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        loaded = point.load()
        named = [loaded] if isinstance(loaded, Metric) else _metrics_of(loaded)
        if not named:
            raise OptionError(
                f"the entry point {point.name} of {GROUP} names {point.value}, which is no metric"
            )
        found += named
    return found


@cache
def columns() -> dict[str, Column]:
    """Collect the columns of all metrics.

    Returns:
        By name, in the order of tables.
    """
    return {column.name: column for one in metrics() for column in one.columns}


@cache
def metrics_over_time() -> tuple[Metric, ...]:
    """Collect the metrics that an evolution follows.

    Returns:
        Those with a column over time, in the order of tables.
    """
    return tuple(one for one in metrics() if any(column.over_time for column in one.columns))


def versions(of: Iterable[Metric]) -> dict[str, int]:
    """Say what stored numbers were computed by, as a part of their key.

    Args:
        of: the metrics that were computed.

    Returns:
        The version of each by its columns: another version, and a column more or less, is another key.
    """
    return {",".join(column.name for column in one.columns): one.version for one in of}
