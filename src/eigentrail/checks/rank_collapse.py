"""A layer that a few directions hold, where its siblings keep many."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from eigentrail.checks.framework.contract import Checkpoint, Layer, check
from eigentrail.checks.framework.wording import plural, shown
from eigentrail.findings import Chance, Effect, Finding, Verdict

_QUESTION = "Has the rank of a layer collapsed?"
# Collapsed: below a third of the siblings' median; without siblings, zero to rounding in two thirds of the directions.
_SHARE = 1.0 / 3.0
_FEWEST_COLUMNS = 8


@check(question=_QUESTION, order=30)
def rank_collapse(checkpoint: Checkpoint) -> Iterator[Finding]:
    """Look for layers of far lower rank than their siblings.

    Args:
        checkpoint: the layers.

    Yields:
        A finding for each.
    """
    asked = [one for one in checkpoint.dense if (one.number("cols") or 0) >= _FEWEST_COLUMNS]
    for layer in asked:
        rank, share = layer.number("effective_rank"), _share(layer)
        if rank is None or share is None:
            continue
        known = [s for one in checkpoint.siblings(layer) if (s := _share(one)) is not None]
        cols = int(layer.row["cols"])
        if known:
            usual = float(np.median(known))
            if share >= _SHARE * usual:
                continue
            beside = f"its {plural(len(known), 'sibling')} keep {100 * usual:.0f}%"
        else:
            usual = float(np.exp(-(layer.number("q") or 1.0) / 2.0))
            if (layer.number("numerical_rank") or cols) > _SHARE * cols:
                continue
            beside = "the other directions are zero to rounding"
        yield Finding(
            subject=layer.name,
            question=_QUESTION,
            verdict=Verdict.YES,
            sentence=f"{shown(layer.name)} has collapsed to effective rank {rank:.2g} of {cols}; {beside}.",
            effect=Effect("effective rank over M", share),
            chance=Chance("the median of its siblings" if known else "noise of this shape", usual),
            asked=len(asked),
            needs_look=True,
            detail="Possible causes: it was cut to a low rank or merged from one, its inputs are constant, or "
            "weight decay "
            "is far stronger than its gradient.",
            advice="See whether it was meant (a low-rank layer); else lower weight decay or the learning rate there, "
            "or go back to an earlier checkpoint.",
        )


def _share(layer: Layer) -> float | None:
    rank, cols = layer.number("effective_rank"), layer.number("cols")
    return None if rank is None or not cols else rank / cols
