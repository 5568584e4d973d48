"""Findings from rows: one place where a comparison with chance becomes a verdict and a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eigentrail.analyses.framework.rows import Row
from eigentrail.findings import Chance, Effect, Finding, Verdict


def finding(
    row: Row,
    question: str,
    quantity: str,
    *,
    yes: str,
    no: str,
    detail: str = "",
    needs_look: bool = False,
    advice: str = "",
    also: bool = True,
    data: Mapping[str, Any] | None = None,
) -> Finding:
    """Judge a quantity of a row by its null.

    Args:
        row: the row.
        question: what is asked of all rows.
        quantity: the quantity that carries the verdict; it must have null draws.
        yes: the sentence where it is more than chance, at most 25 words.
        no: the sentence where it is not.
        detail: all else.
        needs_look: whether a "yes" is a fault that a person should look at.
        advice: what to try then.
        also: a further condition for a "yes", for instance that a rival null is beaten too.
        data: further numbers for those who ask.

    Returns:
        The finding, not yet corrected for how many were asked.
    """
    beside = row.compared(quantity)
    about = row.analysis.quantities[quantity]
    value = row[quantity]
    chance = None if beside is None else Chance(about.null_name, beside.median, beside.draws)
    beyond = beside is not None and beside.beyond and also
    verdict = Verdict.UNDECIDED if beside is None else Verdict.YES if beyond else Verdict.NO
    return Finding(
        subject=row.subject,
        question=question,
        verdict=verdict,
        sentence=yes if beyond else no,
        effect=Effect(about.label, value, about.units),
        chance=chance,
        p=None if beside is None else beside.p,
        detail=" ".join(part for part in (detail, "" if beside is None else f"({beside.words})") if part),
        needs_look=needs_look and beyond,
        advice=advice if beyond else "",
        data=dict(data or {}),
    )


def percent(share: float) -> str:
    """Write a share.

    Args:
        share: 0 to 1.

    Returns:
        Whole percents, with two digits below ten.
    """
    value = 100.0 * share
    return f"{value:.0f}%" if abs(value) >= 10 else f"{value:.2g}%"
