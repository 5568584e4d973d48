"""Looking something up by the name that people write."""

from __future__ import annotations

import difflib
import importlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self, TypeVar

from eigentrail.errors import EigentrailError

K = TypeVar("K")
V = TypeVar("V")

#: What goes wrong in somebody's own code, a `sys.exit` of it too; Ctrl-C is none of it.
FOREIGN = (Exception, SystemExit)


def bare(name: str) -> str:
    """Take from a name what people write in several ways.

    Args:
        name: a name, such as "MLP 50" or "fashion_mnist".

    Returns:
        Its letters and digits in lower case.
    """
    return re.sub(r"[\W_]+", "", name).lower()


class Called(dict[K, V]):
    """A dict that may be called as well: `found.summary` and `found.summary()`, as people type both."""

    def __call__(self) -> Self:
        """Give itself."""
        return self


class CalledNumber(float):
    """A number that may be called as well: `spectrum.alpha` and `spectrum.alpha()`, as people type both."""

    def __call__(self) -> float:
        """Give the plain number."""
        return float(self)


def plotted_elsewhere(result: object, name: str, figure: str) -> AttributeError:
    """Say where a figure of a result is drawn that knows no figures.

    Args:
        result: which has no such name.
        name: that was asked for.
        figure: of the page.

    Returns:
        The error to raise.
    """
    hint = f'; there is inspect(W).plot("W", "{figure}")' if name in ("plot", "figure", "show") else ""
    return AttributeError(f"a {type(result).__name__} has no {name}{hint}")


def look_up(
    name: str,
    known: Iterable[str],
    what: str,
    error: type[EigentrailError],
    more: str = "",
    about: Mapping[str, str] | None = None,
) -> str:
    """Find a known name; capitals, spaces, dashes and underscores do not matter.

    Args:
        name: what was written.
        known: the names there are.
        what: what they name, for the error, such as "network".
        error: what is raised for an unknown name.
        more: what else the error may advise.
        about: what each name stands for: names whose text has the word that was written are offered first.

    Returns:
        The known name.

    Raises:
        EigentrailError: of the class `error`, when there is none such; the nearest ones are offered.
    """
    names = list(known)
    by_bare = {bare(each): each for each in names}
    if (found := by_bare.get(bare(str(name)))) is not None:
        return found
    told = [
        each
        for each in names
        if len(bare(str(name))) > 2 and bare(str(name)) in bare((about or {}).get(each, ""))
    ]
    raise error(none_such(name, told or names, what, more, near=told))


def none_such(
    name: str, known: Iterable[str], what: str, more: str = "", near: Sequence[str] | None = None
) -> str:
    """Say that there is nothing of a name.

    Args:
        name: what was written.
        known: the names there are.
        what: what they name, such as "network".
        more: what else is advised.
        near: names to offer; None or none for those that are written alike.

    Returns:
        A sentence that offers the nearest names, or all where none is near.
    """
    names = list(known)
    by_bare = {bare(each): each for each in names}
    near = list(
        near
        or [by_bare[each] for each in difflib.get_close_matches(bare(str(name)), by_bare, n=3, cutoff=0.5)]
    )
    offered = ", ".join(near or names)
    advised = f"did you mean {offered}?" if near else f"there are {offered}"
    return f'there is no {what} "{name}": {advised}{more}'


def import_object(path: str, what: str, error: type[EigentrailError]) -> Any:
    """Import what an import path names.

    Args:
        path: "package.module:name".
        what: what it is wanted for, for the error, such as "network".
        error: what is raised where it cannot be imported.

    Returns:
        The object.

    Raises:
        EigentrailError: of the class `error`, whatever goes wrong in the module.
    """
    module, _, attribute = path.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except FOREIGN as cause:
        raise error(
            f'the {what} "{path}" cannot be imported ({first_line(cause)}): write "package.module:name" of a module '
            "that Python finds"
        ) from cause
    return found


def first_line(error: BaseException) -> str:
    """Shorten what an error says, which may run over several lines.

    Args:
        error: the error.

    Returns:
        Its first line; its kind where it says nothing.
    """
    if isinstance(error, SystemExit):
        return "it ends the program, as sys.exit() does"
    return next(iter(str(error).strip().splitlines()), "") or type(error).__name__
