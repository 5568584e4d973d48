"""The analyses there are: found by their place in this package, and by the entry points of other packages."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from collections.abc import Sequence
from functools import cache
from importlib.metadata import entry_points

from eigentrail._names import look_up
from eigentrail.analyses.framework.contract import Analysis
from eigentrail.errors import OptionError

#: Entry points of this group name an `Analysis`.
GROUP = "eigentrail.analyses"


@cache
def analyses() -> dict[str, Analysis]:
    """Collect the analyses.

    Returns:
        By name: the package's own by their `order`, then those of other packages.

    Raises:
        OptionError: two have the same name, or an entry point names something else.
    """
    import eigentrail.analyses as room

    found: dict[str, Analysis] = {}
    own = [
        value
        for info in pkgutil.iter_modules(room.__path__, f"{room.__name__}.")
        if not info.ispkg
        for value in vars(importlib.import_module(info.name)).values()
        if isinstance(value, Analysis)
    ]
    own.sort(key=lambda one: (one.order, one.name))
    for one in [*own, *_foreign()]:
        if one.name in found:
            raise OptionError(f'two analyses are called "{one.name}": rename one of them')
        found[one.name] = one
    return found


def _foreign() -> list[Analysis]:
    found = []
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        loaded = point.load()
        if not isinstance(loaded, Analysis):
            raise OptionError(
                f"the entry point {point.name} of {GROUP} names {point.value}, which is no analysis"
            )
        found.append(loaded)
    return found


def analysis_named(name: str) -> Analysis | None:
    """Give the analysis of exactly this name.

    Args:
        name: its name. The package's own stand in files of their names, of which only that one is loaded: an analysis
            brings what it computes with.

    Returns:
        The analysis; None where there is none.
    """
    return _own(name) or analyses().get(name)


def _own(name: str) -> Analysis | None:
    file = name.replace("-", "_")
    module = f"{__name__.partition('.framework')[0]}.{file}"
    if not file.isidentifier() or importlib.util.find_spec(module) is None:
        return None
    values = vars(importlib.import_module(module)).values()
    return next((one for one in values if isinstance(one, Analysis) and one.name == name), None)


def find_analysis(name: str) -> Analysis:
    """Find an analysis.

    Args:
        name: its name.

    Returns:
        The analysis.
    """
    if (own := _own(name)) is not None:
        return own
    known = analyses()
    # "hessian" and "spikes" are no names of analyses, but what they are about.
    about = {each: f"{one.question} {one.about}" for each, one in known.items()}
    return known[look_up(name, known, "analysis", OptionError, about=about)]


def choose_analyses(only: str | Sequence[str] | None = None) -> list[Analysis]:
    """Find analyses by name.

    Args:
        only: names, one text may hold several with commas between; "all" for all; None for those that every run
            can have in little time.

    Returns:
        The analyses, each once, in the order asked for.

    Raises:
        OptionError: there is none of a name; near names are offered.
    """
    if only is None:
        return [one for one in analyses().values() if one.default]
    names = [
        part.strip()
        for text in ([only] if isinstance(only, str) else only)
        for part in text.split(",")
        if part.strip()
    ]
    if names == ["all"]:
        return list(analyses().values())
    if not names:
        raise OptionError(f"no analysis is named: there are {', '.join(analyses())}")
    return list({one.name: one for one in map(find_analysis, names)}.values())
