"""Spikes that unequal variances of rows and columns explain without any correlation."""

from __future__ import annotations

from collections.abc import Iterator

from eigentrail._text import counted
from eigentrail.checks.framework.contract import Checkpoint, check
from eigentrail.findings import Chance, Effect, Finding, Verdict

_QUESTION = "Do rows or columns of unequal size explain the spikes?"
_NAMED = 8


@check(question=_QUESTION, order=90)
def unequal_variances(checkpoint: Checkpoint) -> Iterator[Finding]:
    """Compare the spikes of each layer with those that random signs of its entries leave.

    Args:
        checkpoint: the layers.

    Yields:
        One finding on the network, where some layer's spikes are explained so; none where there is no spike.
    """
    asked = [one for one in checkpoint.dense if one.number("spikes") and one.number("null_signs") is not None]
    explained = [one for one in asked if (one.number("null_signs") or 0.0) >= (one.number("spikes") or 0.0)]
    if not explained:
        return
    names = ", ".join(one.name for one in explained[:_NAMED])
    more = f" and {len(explained) - _NAMED} more" if len(explained) > _NAMED else ""
    spikes = sum(int(one.number("spikes") or 0) for one in asked)
    kept = sum(min(int(one.number("spikes") or 0), int(one.number("null_signs") or 0)) for one in asked)
    most = 2 * len(explained) > len(asked)
    yield Finding(
        subject="network",
        question=_QUESTION,
        verdict=Verdict.YES if most else Verdict.NO,
        sentence=(
            f"In {len(explained)} of {counted(len(asked), 'layer')} with spikes, entries with random signs have as "
            "many: unequal rows or columns explain them."
            if most
            else f"In {len(asked) - len(explained)} of {counted(len(asked), 'layer')} with spikes random signs leave "
            f"fewer; in {len(explained)} unequal rows or columns explain all."
        ),
        effect=Effect("layers whose spikes unequal rows or columns explain", float(len(explained))),
        chance=Chance("entries of equal variance", 0.0),
        asked=len(asked),
        detail=f"Of {spikes} spikes in all layers random signs keep {kept}: these say that some rows or columns are "
        f"larger than others, not that entries are correlated. Layers: {names}{more}.",
    )
