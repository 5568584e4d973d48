"""All findings of a comparison, in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eigentrail.checks.changes.moved import beyond_rounding
from eigentrail.checks.changes.not_finite import lost_numbers
from eigentrail.checks.changes.roles import moved_by_role
from eigentrail.checks.changes.unrelated import unrelated
from eigentrail.checks.changes.updates import low_rank_updates
from eigentrail.findings import Finding


def judge_changes(
    rows: Sequence[Mapping[str, Any]], not_finite: Mapping[str, str] | None = None, level: float = 0.01
) -> list[Finding]:
    """Say what changed between two checkpoints.

    Args:
        rows: of the table of `compare`.
        not_finite: matrices that hold NaN or infinite entries, and in which checkpoint.
        level: chance that an update of pure noise shows a spike.

    Returns:
        What needs a look first, then whether anything moved, where, and in how many directions.
    """
    found = [*lost_numbers(not_finite or {}, len(rows)), *unrelated(rows), *beyond_rounding(rows)]
    return [*found, *moved_by_role(rows), *low_rank_updates(rows, level)]
