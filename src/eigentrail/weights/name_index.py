"""Names of parameters found by their ends: `model.fc.weight` is asked for as `fc.weight`, or the other way round.

Wrappers and heads put pieces in front of a parameter's name, hardly ever behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def endings(name: str) -> Iterator[str]:
    """List what is left of a name when pieces are taken off its front.

    Args:
        name: pieces divided by dots.

    Yields:
        The shorter names, the longest first; not the name itself.
    """
    place = name.find(".")
    while place >= 0:
        yield name[place + 1 :]
        place = name.find(".", place + 1)


class NameIndex:
    """A set of names that is asked for a name or for its end, in time that does not grow with the set.

    Args:
        names: the names.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names = frozenset(names)
        self._by_ending: dict[str, list[str]] = {}
        for name in sorted(self.names):
            for ending in endings(name):
                self._by_ending.setdefault(ending, []).append(name)

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def related(self, name: str) -> list[str]:
        """Find the names that differ from one by leading pieces only.

        Args:
            name: the name; itself it does not count.

        Returns:
            The longer names that end in it and the shorter ones that it ends in, sorted.
        """
        shorter = [ending for ending in endings(name) if ending in self.names]
        return sorted({*self._by_ending.get(name, ()), *shorter})
