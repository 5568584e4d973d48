"""Looking something up by the name that people write."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from eigentrail.errors import EigentrailError


def bare(name: str) -> str:
    """Take from a name what people write in several ways.

    Args:
        name: a name, such as "MLP 50" or "fashion_mnist".

    Returns:
        Its letters and digits in lower case.
    """
    return re.sub(r"[\W_]+", "", name).lower()


def look_up(name: str, known: Iterable[str], what: str, error: type[EigentrailError], more: str = "") -> str:
    """Find a known name; capitals, spaces, dashes and underscores do not matter.

    Args:
        name: what was written.
        known: the names there are.
        what: what they name, for the error, such as "network".
        error: what is raised for an unknown name.
        more: what else the error may advise.

    Returns:
        The known name.

    Raises:
        EigentrailError: of the class `error`, when there is none such; the nearest ones are offered.
    """
    names = list(known)
    by_bare = {bare(each): each for each in names}
    if (found := by_bare.get(bare(str(name)))) is not None:
        return found
    near = difflib.get_close_matches(bare(str(name)), by_bare, n=3, cutoff=0.5)
    offered = ", ".join(by_bare[each] for each in near) or ", ".join(names)
    msg = f'there is no {what} "{name}": {"did you mean" if near else "there are"} {offered}{"?" if near else ""}{more}'
    raise error(msg)
