"""The recipes there are: found by their place in this package, and by the entry points of other packages."""

from __future__ import annotations

import importlib
import pkgutil
import warnings
from functools import cache
from importlib.metadata import entry_points

from eigentrail._names import bare, look_up
from eigentrail.errors import EigentrailWarning, OptionError
from eigentrail.recipes.framework.recipe import Recipe

DEFAULT = "mlp50"
#: Entry points of this group name a recipe.
GROUP = "eigentrail.recipes"


@cache
def recipes() -> dict[str, Recipe]:
    """Collect the recipes; none of their plans is loaded.

    Returns:
        By name, the default one first.

    Raises:
        OptionError: two have the same name, or an entry point names something else.
    """
    import eigentrail.recipes as room

    own = [
        one
        for info in pkgutil.iter_modules(room.__path__, f"{room.__name__}.")
        if not info.ispkg
        for module in [importlib.import_module(info.name)]
        for one in vars(module).values()
        if isinstance(one, Recipe) and one.module == module.__name__
    ]
    own.sort(key=lambda one: (one.name != DEFAULT, one.name))
    found: dict[str, Recipe] = {}
    for one in [*own, *_foreign()]:
        if one.name in found:
            raise OptionError(f'two recipes are called "{one.name}": rename one of them')
        found[one.name] = one
    return found


def _foreign() -> list[Recipe]:
    found: list[Recipe] = []
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        loaded = point.load()
        if not isinstance(loaded, Recipe):
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


def find_recipe(name: str | None = None) -> Recipe:
    """Find a recipe.

    Args:
        name: its name in any spelling, or one that it had before, which is answered with a warning that says the new
            one; None for the recipe that needs no files.

    Returns:
        The recipe.
    """
    known = recipes()
    if name is None:
        return known[DEFAULT]
    if bare(name) not in {bare(each) for each in known}:
        for one in known.values():
            if bare(name) in {bare(each) for each in one.formerly}:
                warnings.warn(f'"{name}" is called {one.name} now', EigentrailWarning, stacklevel=2)
                return one
    more = "; `eigentrail study --list` describes them"
    return known[look_up(name, known, "study", OptionError, more)]
