"""Tensors with NaN or infinite entries."""

from __future__ import annotations

from collections.abc import Iterator

from eigentrail.checks.framework.contract import Checkpoint, check
from eigentrail.checks.framework.wording import shown
from eigentrail.findings import Finding, Verdict

_QUESTION = "Are all weights finite?"


@check(question=_QUESTION, order=1)
def not_finite(checkpoint: Checkpoint) -> Iterator[Finding]:
    """Name the tensors that are not.

    Args:
        checkpoint: the layers.

    Yields:
        A finding for each.
    """
    for name in checkpoint.not_finite:
        yield Finding(
            subject=name,
            question=_QUESTION,
            verdict=Verdict.NO,
            sentence=f"{shown(name)} holds NaN or infinite entries: the network cannot compute with it.",
            asked=len(checkpoint.layers) + len(checkpoint.not_finite),
            needs_look=True,
            detail="Possible causes: training diverged, half precision overflowed, or the file is damaged.",
            advice="Go back to the last checkpoint whose weights are finite; lower the learning rate, clip gradients, "
            "or train in bfloat16 or float32.",
        )
