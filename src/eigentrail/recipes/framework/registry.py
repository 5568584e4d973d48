"""The recipes there are: found by their place in this package, and by the entry points of other packages."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from importlib.metadata import entry_points

from eigentrail._names import look_up
from eigentrail.errors import OptionError
from eigentrail.recipes.framework.claim_study import ClaimStudy
from eigentrail.recipes.framework.study import Study

DEFAULT = "mlp50"
#: Entry points of this group name a recipe.
GROUP = "eigentrail.recipes"

Recipe = Study | ClaimStudy


@cache
def recipes() -> dict[str, Recipe]:
    """Collect the recipes.

    Returns:
        By name, the default one first.

    Raises:
        OptionError: two have the same name, or an entry point names something else.
    """
    import eigentrail.recipes as room

    found: dict[str, Recipe] = {}
    own = [
        importlib.import_module(info.name).RECIPE
        for info in pkgutil.iter_modules(room.__path__, f"{room.__name__}.")
        if not info.ispkg
    ]
    own.sort(key=lambda one: (one.name != DEFAULT, one.name))
    for one in [*own, *_foreign()]:
        if one.name in found:
            raise OptionError(f'two recipes are called "{one.name}": rename one of them')
        found[one.name] = one
    return found


def _foreign() -> list[Recipe]:
    found: list[Recipe] = []
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        loaded = point.load()
        if not isinstance(loaded, Study | ClaimStudy):
            raise OptionError(
                f"the entry point {point.name} of {GROUP} names {point.value}, which is no recipe"
            )
        found.append(loaded)
    return found


def names() -> list[str]:
    """List the recipes.

    Returns:
        Their names, the default one first.
    """
    return list(recipes())


def find_study(name: str | None = None) -> Recipe:
    """Find a recipe.

    Args:
        name: its name in any spelling; None for the one that needs no files.

    Returns:
        The recipe.
    """
    more = "; `eigentrail study --list` describes them"
    return recipes()[look_up(DEFAULT if name is None else name, recipes(), "study", OptionError, more)]
