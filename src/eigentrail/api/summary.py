"""The summary over layers: WeightWatcher's means, layers by phase, and which layers need a look and why."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from eigentrail.metrics.framework.contract import DiagnosisOptions
from eigentrail.metrics.framework.registry import columns

# WeightWatcher's convention: below 2 a layer may be over-trained, above 6 under-trained.
ALPHA_OVER, ALPHA_UNDER = 2.0, 6.0


def summarize(rows: list[dict[str, Any]], options: DiagnosisOptions) -> dict[str, Any]:
    """Summarise the rows of an inspection.

    Args:
        rows: one a weight matrix.
        options: how the diagnosis was made.

    Returns:
        `matrices`, `means` (over the layers that have the number), `phases` (label to count), `spikes`,
        `expected_false_spikes` (level times matrices: what chance alone would give at most), `attention` (layers
        that need a look, worst first, each with its reasons).
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
        "attention": rank_by_attention(rows),
    }


def severity(row: dict[str, Any]) -> float:
    """Give the urgency of a look at a layer: 0 for none.

    Rank collapse weighs most, then an alpha below 2 (over-trained by convention), then spikes that survive a
    shuffle, then an alpha above 6 (under-trained by convention), then any other warning.

    Args:
        row: one row of an inspection.

    Returns:
        A number to sort by; only its order means something.
    """
    score = 0.0
    alpha = row["alpha"]
    if row["phase"] == "rank-collapse":
        score += 8
    if alpha is not None and alpha < ALPHA_OVER:
        score += 4 + (ALPHA_OVER - alpha)
    if row["null_spikes"]:
        score += 3
    if alpha is not None and alpha > ALPHA_UNDER:
        score += 2 - ALPHA_UNDER / alpha
    return score


def rank_by_attention(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """List the layers that need a look, the worst first.

    Args:
        rows: the rows of an inspection.

    Returns:
        `name`, `severity` and `reasons` of each layer with a severity above 0.
    """
    scored = [(severity(r), r) for r in rows]
    worst = sorted((p for p in scored if p[0] > 0), key=lambda p: -p[0])
    return [{"name": r["name"], "severity": round(s, 2), "reasons": list(r["warnings"])} for s, r in worst]


def remarks(row: dict[str, Any]) -> list[str]:
    """Say in words what in the row needs a look.

    Args:
        row: the finished row.

    Returns:
        Sentences, the gravest first.
    """
    said = []
    alpha = row["alpha"]
    if row["phase"] == "rank-collapse":
        said.append(f"rank collapse: effective rank {row['effective_rank']:.1f} of {row['cols']}")
    if row["null_spikes"]:
        said.append(
            f"{row['null_spikes']} spike(s) survive a shuffle of the entries: single large entries make them"
        )
    if alpha is not None and alpha < ALPHA_OVER:
        said.append(f"alpha {alpha:.2f} is below 2: over-trained by convention")
    if alpha is not None and alpha > ALPHA_UNDER:
        said.append(f"alpha {alpha:.2f} is above 6: under-trained by convention")
    if row["tail_model"] == "none":
        said.append("the tail is no power law (p < 0.1): alpha is only a slope")
    return said
