"""Findings from rows: one place where a comparison with chance becomes a verdict and a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

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


def course(values: Float64[np.ndarray, " t"], steps: Int64[np.ndarray, " t"]) -> str:
    """Tell where a curve goes: up, down, or to a turning point and back.

    Args:
        values: [T] the curve; what is not finite is left out.
        steps: [T] its steps.

    Returns:
        A verb with its numbers ("rises from 4.18 to 5.72").
    """
    known = np.isfinite(values)
    y, at = np.asarray(values)[known], np.asarray(steps)[known]
    if not len(y):
        return "is not known"
    first, last = float(y[0]), float(y[-1])
    spread = float(np.ptp(y))
    if spread <= 0.01 * float(np.abs(y).max()):
        return f"stays at {last:.3g}, within 1%"
    # A turning point counts where the curve comes back by a tenth of all of its range.
    turns = ((int(y.argmax()), 1.0, "rises", "falls"), (int(y.argmin()), -1.0, "falls", "rises"))
    for place, sign, there, back in turns:
        beyond = sign * (y[place] - np.array([first, last]))
        if (beyond > 0.1 * spread).all():
            return f"{there} from {first:.3g} to {float(y[place]):.3g} at step {at[place]}, then {back} to {last:.3g}"
    return f"{'rises' if last > first else 'falls'} from {first:.3g} to {last:.3g}"
