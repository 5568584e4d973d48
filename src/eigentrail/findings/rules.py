"""The rules that decide a claim from the values of its statistic over seeds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Rule:
    """How the values of a statistic over seeds decide a claim.

    The test is Student's t of the differences from the bar, one-sided for an inequality, an interval within bounds
    (two one-sided tests) for an equality.

    Attributes:
        text: the rule in words.
        margin: from the values and what stands beside each, the numbers that are positive where the claim holds;
            several rows for several conditions that must hold together.
        rival: what stands beside each value where that is not what chance gives: a rival fit, a control, another group
            of trainings.
        sequence: whether the statistic is a sequence for each seed; its effect is then last minus first.
    """

    text: str
    margin: Callable[
        [np.ndarray[Any, np.dtype[np.float64]], np.ndarray[Any, np.dtype[np.float64]]],
        np.ndarray[Any, np.dtype[np.float64]],
    ]
    rival: str = ""
    sequence: bool = False

    def beside(self, rival: str) -> Rule:
        """Name what stands beside the values where it does not decide.

        Args:
            rival: what it is ("the first gradient alone").

        Returns:
            The same rule.
        """
        return replace(self, rival=rival)


def greater_than_chance(by: float = 0.0) -> Rule:
    """The statistic is larger than what chance gives.

    Args:
        by: by how much at least.

    Returns:
        The rule.
    """
    return Rule(
        "greater than chance" + (f" by {by:g}" if by else ""), lambda x, chance: (x - chance - by)[None]
    )


def less_than_chance(by: float = 0.0) -> Rule:
    """The statistic is smaller than what chance gives.

    Args:
        by: by how much at least.

    Returns:
        The rule.
    """
    return Rule("less than chance" + (f" by {by:g}" if by else ""), lambda x, chance: (chance - x - by)[None])


def greater_than_rival(rival: str) -> Rule:
    """The statistic is larger than that of a rival fit, a control or another group.

    Args:
        rival: what it is.

    Returns:
        The rule.
    """
    return Rule(f"greater than that of {rival}", lambda x, other: (x - other)[None], rival)


def greater_than(bar: float) -> Rule:
    """The statistic is larger than a number.

    Args:
        bar: the number.

    Returns:
        The rule.
    """
    return Rule(f"greater than {bar:g}", lambda x, _: (x - bar)[None])


def less_than(bar: float) -> Rule:
    """The statistic is smaller than a number.

    Args:
        bar: the number.

    Returns:
        The rule.
    """
    return Rule(f"less than {bar:g}", lambda x, _: (bar - x)[None])


def equals(value: float, within: float) -> Rule:
    """The statistic equals a number.

    Args:
        value: the number.
        within: the largest deviation that still counts as equal.

    Returns:
        The rule.
    """
    slack = within + 1e-9 * max(1.0, abs(value))
    return Rule(
        f"equals {value:g} within {within:g}", lambda x, _: np.stack([x - value + slack, value + slack - x])
    )


def all_of(*rules: Rule) -> Rule:
    """The statistic obeys several rules at once.

    Args:
        rules: the rules.

    Returns:
        The rule.
    """
    return Rule(
        " and ".join(one.text for one in rules),
        lambda x, other: np.concatenate([one.margin(x, other) for one in rules]),
        next((one.rival for one in rules if one.rival), ""),
    )


def increasing() -> Rule:
    """The statistic, a sequence for each seed, rises from each entry to the next.

    Returns:
        The rule.
    """
    return Rule("rises throughout", lambda x, _: np.diff(np.atleast_2d(x), axis=-1).T, sequence=True)


def decreasing() -> Rule:
    """The statistic, a sequence for each seed, falls from each entry to the next.

    Returns:
        The rule.
    """
    return Rule("falls throughout", lambda x, _: -np.diff(np.atleast_2d(x), axis=-1).T, sequence=True)
