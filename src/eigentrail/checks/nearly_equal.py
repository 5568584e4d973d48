"""Layers whose singular values are all nearly equal: orthogonal ones, and those that an optimizer keeps even."""

from __future__ import annotations

from collections.abc import Iterator

from eigentrail.chance import LEVEL
from eigentrail.checks.framework.contract import Checkpoint, check
from eigentrail.checks.framework.noise import NARROW, p_narrower
from eigentrail.checks.framework.wording import shown
from eigentrail.findings import Chance, Effect, Finding, Verdict

_QUESTION = "Are all singular values of a layer nearly equal?"


@check(question=_QUESTION, order=70)
def nearly_equal(checkpoint: Checkpoint) -> Iterator[Finding]:
    """Look for spectra that are narrower than noise.

    Args:
        checkpoint: the layers.

    Yields:
        A finding for each; one that needs a look where most of its siblings are not so.
    """
    dense = checkpoint.dense
    p = p_narrower(dense)
    narrow = {
        one.name
        for one in dense
        if p.get(one.name, 1.0) <= LEVEL and (one.number("spread_ratio") or 0.0) < NARROW
    }
    for layer in dense:
        if layer.name not in narrow:
            continue
        siblings = checkpoint.siblings(layer)
        alike = sum(one.name in narrow for one in siblings)
        spread = layer.number("spread_ratio") or 0.0
        yield Finding(
            subject=layer.name,
            question=_QUESTION,
            verdict=Verdict.YES,
            sentence=f"All singular values of {shown(layer.name)} are nearly equal: their spread is "
            f"{spread:.2g} times noise's.",
            effect=Effect("spread of the eigenvalues over noise's", spread),
            chance=Chance("independent entries of the same kurtosis", 1.0),
            p_adjusted=p[layer.name],
            asked=len(dense),
            needs_look=2 * alike < len(siblings),
            detail="The spectrum is narrower than noise, so neither its phase nor its tail means anything. "
            "Possible causes: an "
            "orthogonal initialisation, a constraint, or an optimizer that evens singular values out.",
            advice="See whether the layer was meant to be orthogonal; if it was not trained, load or train it again.",
        )
