"""What a recipe tells of itself; the training, the analyses and the claims behind it load when they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from eigentrail.errors import OptionError

if TYPE_CHECKING:
    from eigentrail.recipes.framework.claim_study import ClaimStudy
    from eigentrail.recipes.framework.study import Study


@dataclass(frozen=True)
class Recipe:
    """An experiment of a source, by name. Listing recipes needs no torch: `plan` loads what carries one out.

    Attributes:
        name: its name, on every level the same: file, command line, Python, folder, page.
        source: the document and place.
        shows: what it shows, in one line.
        minutes: how long it takes on two cores with its own data, all included; behind `full:` at the source's size.
        disk: what it leaves on disk, likewise.
        build: makes the plan.
        network: the name of the network that it trains at the source's size; empty where it trains several of its own.
        data: the data set that it is run on unless another one is asked for.
        source_data: the source's own data set.
        formerly: names that it had before; they are still understood.
    """

    name: str
    source: str
    shows: str
    minutes: str
    disk: str
    build: Callable[[], Study | ClaimStudy]
    network: str = ""
    data: str = "made here"
    source_data: str = "made here"
    formerly: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        """The module that it stands in."""
        return self.build.__module__

    @cached_property
    def plan(self) -> Study | ClaimStudy:
        """What carries it out."""
        return self.build()

    def changed(self, **changes: Any) -> Recipe:
        """Change what its plan says, for a variant of it.

        Args:
            changes: attributes of the plan.

        Returns:
            Another recipe of the same name.
        """
        return replace(self, build=lambda: replace(self.plan, **changes))


def recipe(
    name: str,
    *,
    source: str,
    minutes: str,
    disk: str,
    network: str = "",
    data: str = "made here",
    source_data: str | None = None,
    formerly: tuple[str, ...] = (),
) -> Callable[[Callable[[], Study | ClaimStudy]], Recipe]:
    """Turn a function that makes a plan into a recipe.

    The function imports what it needs when it is called; its one-line docstring says what the recipe shows.

    Args:
        name: its name.
        source: the document and place.
        minutes: how long it takes on two cores, behind `full:` at the source's size.
        disk: what it leaves on disk, likewise.
        network: the name of the network that it trains.
        data: the data set that it is run on unless another one is asked for.
        source_data: the source's own data set; None where it is the same.
        formerly: names that it had before.

    Returns:
        A decorator of the function.

    Raises:
        OptionError: the function has no docstring.
    """

    def made(build: Callable[[], Study | ClaimStudy]) -> Recipe:
        own = data if source_data is None else source_data
        shows = next(iter((build.__doc__ or "").strip().splitlines()), "")
        if not shows:
            raise OptionError(f"the recipe {name} does not say what it shows: give its function a docstring")
        return Recipe(name, source, shows, minutes, disk, build, network, data, own, formerly)

    return made
