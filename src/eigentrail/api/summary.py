"""The summary over layers: WeightWatcher's means, layers by phase, and what needs a look."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from eigentrail.findings import Finding
from eigentrail.metrics.framework.contract import DiagnosisOptions
from eigentrail.metrics.framework.registry import columns

_NO_NULL = (
    "The shuffled null was not drawn: spikes that single large entries or unequal variances make are not told apart "
    "from structure."
)


def summarize(rows: list[dict[str, Any]], options: DiagnosisOptions) -> dict[str, Any]:
    """Summarise the rows of an inspection.

    Args:
        rows: one a weight matrix.
        options: how the diagnosis was made.

    Returns:
        `matrices`, `means` (over the layers that have the number), `phases` (label to count), `spikes`,
        `expected_false_spikes` (level times matrices: what chance alone would give at most), and `notes`, sentences
        on what was left out.
    """
    means: dict[str, float | None] = {}
    for column in columns().values():
        known = [r[column.name] for r in rows if r[column.name] is not None]
        if column.averaged == "mean":
            means[column.name] = sum(known) / len(known) if known else None
        elif column.averaged == "log10":
            logs = [math.log10(x) for x in known if x > 0]
            means[f"log_{column.name}"] = sum(logs) / len(logs) if logs else None
    phases = Counter(r["phase"] for r in rows if r["phase"] is not None)
    return {
        "matrices": len(rows),
        "means": means,
        "phases": dict(phases.most_common()),
        "spikes": sum(r["spikes"] or 0 for r in rows),
        "expected_false_spikes": options.level * len(rows),
        "notes": [] if options.null else [_NO_NULL],
    }


def attention(alerts: Sequence[Finding]) -> list[dict[str, Any]]:
    """List what needs a look, for `summary.json`.

    Args:
        alerts: the findings that need one, the gravest first.

    Returns:
        `name` and `reasons` of each subject.
    """
    reasons: dict[str, list[str]] = {}
    for one in alerts:
        reasons.setdefault(one.subject, []).append(one.sentence)
    return [{"name": name, "reasons": said} for name, said in reasons.items()]
