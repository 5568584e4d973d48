"""What an edit of a weight matrix is, and how edits are found: by their place in this package, or by an entry point.

An edit is one file with one function that takes a matrix and gives an `EditedMatrix`:

    @intervention(label="cut to a rank", source="...")
    def truncate(w, k=None, ...) -> EditedMatrix: ...

Other packages add theirs through the entry-point group `eigentrail.interventions`, whose entries name such functions.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import entry_points
from typing import Any, TypeVar

from eigentrail._names import look_up
from eigentrail.errors import OptionError

GROUP = "eigentrail.interventions"
_MARK = "__eigentrail_intervention__"
Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class Intervention:
    """One edit of a weight matrix.

    Attributes:
        name: the function's name, by which people ask for it.
        label: what it does, in a few words.
        source: where it comes from.
        function: takes a matrix and options, gives an `EditedMatrix`.
    """

    name: str
    label: str
    source: str
    function: Callable[..., Any]

    @property
    def options(self) -> tuple[str, ...]:
        """The names of its options."""
        return tuple(inspect.signature(self.function).parameters)[1:]


def intervention(*, label: str, source: str) -> Callable[[Function], Function]:
    """Mark a function as an edit that `edit` and the command line can use.

    Args:
        label: what it does, in a few words.
        source: where it comes from.

    Returns:
        The decorator; it gives the function back as it is.
    """

    def mark(function: Function) -> Function:
        setattr(function, _MARK, (label, source))
        return function

    return mark


def as_intervention(function: Callable[..., Any], name: str | None = None) -> Intervention:
    """Describe a function that edits a matrix.

    Args:
        function: it takes a matrix and options and gives an `EditedMatrix`.
        name: what it is called; None for the function's own name.

    Returns:
        What `intervention` said of it; its name and module where it said nothing.
    """
    called = name or function.__name__
    label, source = getattr(function, _MARK, (called, function.__module__))
    return Intervention(called, label, source, function)


@lru_cache(maxsize=1)
def known_interventions() -> dict[str, Intervention]:
    """Find all edits: those of this package, then those of other packages.

    Returns:
        {name: edit}, in the order of their names; this package's own cannot be replaced.
    """
    found: dict[str, Intervention] = {}
    package = importlib.import_module("eigentrail.interventions")
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        for value in vars(importlib.import_module(module.name)).values():
            if hasattr(value, _MARK) and value.__module__ == module.name:
                found[value.__name__] = as_intervention(value)
    for entry in entry_points(group=GROUP):
        function = entry.load()
        if entry.name not in found:
            found[entry.name] = as_intervention(function, entry.name)
    return dict(sorted(found.items()))


def find_intervention(name: str) -> Intervention:
    """Find an edit by its name.

    Args:
        name: such as "truncate".

    Returns:
        The edit.
    """
    known = known_interventions()
    return known[look_up(name, known, "edit", OptionError)]
