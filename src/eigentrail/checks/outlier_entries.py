"""Single entries so large that they make a singular value of their own."""

from __future__ import annotations

from collections.abc import Iterator

from eigentrail.chance import LEVEL
from eigentrail.checks.framework.contract import Checkpoint, check
from eigentrail.checks.framework.noise import p_above_others
from eigentrail.checks.framework.wording import shown
from eigentrail.findings import Chance, Effect, Finding, Verdict

_QUESTION = "Does a single entry stand out of a layer?"
# In units of the smallest strength at which a single entry leaves the bulk, sigma (N M)^(1/4).
_STRENGTH = 2.0
# Where there are too few layers to compare with, in units of the largest entry that Gaussian ones give.
_ALONE = 3.0


@check(question=_QUESTION, order=40)
def outlier_entries(checkpoint: Checkpoint) -> Iterator[Finding]:
    """Look for entries that make a spike alone, and that are larger than the other layers make likely.

    Args:
        checkpoint: the layers.

    Yields:
        A finding for each layer with such an entry.
    """
    excess = {
        one.name: one.spectrum.entries.largest / one.spectrum.entries.expected
        for one in checkpoint.dense
        if one.spectrum.entries is not None and one.spectrum.entries.largest > 0
    }
    p = p_above_others(excess)
    alone = len(excess) < 5
    for layer in checkpoint.dense:
        entries = layer.spectrum.entries
        if entries is None or layer.name not in excess or layer.number("null_spikes") == 0:
            continue
        spike = (float(layer.row["rows"]) * float(layer.row["cols"])) ** 0.25
        likely = excess[layer.name] < _ALONE if alone else p[layer.name] > LEVEL
        if likely or entries.largest < _STRENGTH * spike:
            continue
        yield Finding(
            subject=layer.name,
            question=_QUESTION,
            verdict=Verdict.YES,
            sentence=f"{shown(layer.name)} holds an entry of {entries.largest:.3g} standard deviations; "
            f"{entries.expected:.2g} would be usual.",
            effect=Effect("largest entry", entries.largest, "standard deviations"),
            chance=Chance("as many Gaussian entries", entries.expected),
            p_adjusted=None if alone else p[layer.name],
            asked=len(excess),
            needs_look=True,
            detail="It makes a singular value of its own, which stays when the entries are shuffled. Possible "
            "causes: a "
            "damaged file, an overflow in half precision, or a training step that was too large.",
            advice="Look at the entry and at its place in an earlier checkpoint; clip gradients, or lower the "
            "learning rate, if training made it.",
        )
