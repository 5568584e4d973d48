"""The checks there are: found by their place in this package, and by the entry points of other packages."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

from eigentrail.checks.framework.contract import Check
from eigentrail.errors import OptionError

#: Entry points of this group name a `Check`.
GROUP = "eigentrail.checks"


@cache
def checks() -> tuple[Check, ...]:
    """Collect the checks.

    Returns:
        By gravity, the gravest first.

    Raises:
        OptionError: an entry point names something else.
    """
    place = Path(__file__).parents[1]
    found = [
        one
        for info in pkgutil.iter_modules([str(place)], "eigentrail.checks.")
        if not info.ispkg
        for module in [importlib.import_module(info.name)]
        for one in vars(module).values()
        if isinstance(one, Check) and one.module == module.__name__
    ]
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        loaded = point.load()
        if not isinstance(loaded, Check):
            raise OptionError(
                f"the entry point {point.name} of {GROUP} names {point.value}, which is no check"
            )
        found.append(loaded)
    return tuple(sorted(found, key=lambda one: (one.order, one.name)))
