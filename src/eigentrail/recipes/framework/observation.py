"""What a study measures for the claims of its source: values for seeds, and from all of them the verdicts."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from eigentrail.findings import Claim, ClaimResult, Rule


@dataclass(frozen=True)
class Observation:
    """The statistic of a claim for one seed or several.

    Attributes:
        claim: the claim.
        values: [seeds] the statistic; NaN where it could not be measured.
        beside: [seeds] what chance gives for each, or the rival that the claim's rule names; none where there is none.
        found: what was found, or why nothing was, in words with numbers.
    """

    claim: Claim
    values: tuple[float, ...]
    beside: tuple[float, ...] = ()
    found: str = ""


def observe(
    key: str,
    source: str,
    statement: str,
    rule: Rule,
    statistic: str,
    values: Any,
    beside: Any,
    found: str,
) -> Observation:
    """Tell what one seed or several give for a claim.

    Args:
        key: the claim's id.
        source: document and place.
        statement: what is claimed.
        rule: how the values over seeds decide.
        statistic: what is measured for each seed.
        values: its value or values; None where it could not be measured.
        beside: what chance gives, or the rival that the rule names; None for nothing.
        found: what was found, in words with numbers.

    Returns:
        The observation.
    """
    return Observation(
        Claim(key, source, statement, statistic, rule), _numbers(values), _numbers(beside, ()), found
    )


def _numbers(given: Any, nothing: tuple[float, ...] = (math.nan,)) -> tuple[float, ...]:
    if given is None:
        return nothing
    return tuple(float(one) for one in given) if hasattr(given, "__len__") else (float(given),)


def decided(observations: Iterable[Observation]) -> list[ClaimResult]:
    """Decide each claim from the values of all seeds.

    Args:
        observations: of one study, seed after seed; those of one claim have its id.

    Returns:
        A result for each claim, in the order in which they were first looked at; `detail` says what was found.
    """
    by_claim: dict[str, list[Observation]] = {}
    for one in observations:
        by_claim.setdefault(one.claim.id, []).append(one)
    results = []
    for looked_at in by_claim.values():
        values = [value for one in looked_at for value in one.values]
        beside: list[float] = []
        if any(one.beside for one in looked_at):
            for one in looked_at:
                given = one.beside or (math.nan,)
                beside += given * len(one.values) if len(given) == 1 else given
        told = dict.fromkeys(one.found for one in looked_at if one.found)
        if not told and len(values) > 1:
            told = {f"seed by seed {', '.join(f'{value:.3g}' for value in values)}": None}
        results.append(looked_at[0].claim.decide(values, beside, detail="; ".join(told)))
    return results
