"""Matrices that hold NaN or infinite entries in one of two checkpoints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from eigentrail.checks.framework.wording import shown
from eigentrail.findings import Finding, Verdict

_QUESTION = "Are all entries finite?"


def lost_numbers(not_finite: Mapping[str, str], compared: int) -> Iterator[Finding]:
    """Mark the matrices that hold NaN or infinite entries.

    Args:
        not_finite: the reason of each.
        compared: how many matrices were compared.

    Yields:
        A finding for each.
    """
    for name, reason in not_finite.items():
        yield Finding(
            subject=name,
            question=_QUESTION,
            verdict=Verdict.NO,
            sentence=f"{shown(name)} holds NaN or infinite entries and cannot be compared.",
            asked=compared + len(not_finite),
            needs_look=True,
            detail=reason,
            advice="Take an earlier checkpoint; train with a lower learning rate, clipped gradients or bfloat16.",
        )
