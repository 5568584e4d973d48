"""A layer that carries nothing beyond noise where its siblings are trained: re-initialised, frozen or cut off."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from eigentrail.checks.framework.contract import Checkpoint, check
from eigentrail.checks.framework.noise import NARROW, beyond_noise, p_wider
from eigentrail.checks.framework.wording import plural, shown
from eigentrail.findings import Chance, Effect, Finding, Verdict

_QUESTION = "Does a layer look untrained among trained siblings?"
# So many of the siblings must carry structure.
_TRAINED = 0.75


@check(question=_QUESTION, order=10)
def random_like(checkpoint: Checkpoint) -> Iterator[Finding]:
    """Look for layers that cannot be told from noise while their siblings can.

    Args:
        checkpoint: the layers.

    Yields:
        A finding for each.
    """
    dense = checkpoint.dense
    beyond, p = beyond_noise(dense), p_wider(dense)
    for layer in dense:
        spread = layer.number("spread_ratio")
        if spread is None or beyond.get(layer.name, True) or layer.number("spikes"):
            continue
        if spread < NARROW:  # narrower than noise: another check's finding
            continue
        siblings = [one for one in checkpoint.siblings(layer) if one.name in beyond]
        trained = [one for one in siblings if beyond[one.name]]
        if not siblings or len(trained) < _TRAINED * len(siblings):
            continue
        usual = float(np.median([one.number("spread_ratio") or 1.0 for one in siblings]))
        yield Finding(
            subject=layer.name,
            question=_QUESTION,
            verdict=Verdict.YES,
            sentence=f"{shown(layer.name)} looks untrained: its spectrum spreads {spread:.2f} times as noise's, "
            f"that of its siblings {usual:.3g} times.",
            effect=Effect("spread of the eigenvalues over noise's", spread),
            chance=Chance("independent entries of the same kurtosis", 1.0),
            asked=len(dense),
            needs_look=True,
            detail=f"{len(trained)} of {plural(len(siblings), 'sibling')} carry structure beyond noise; "
            f"this layer does not (p = {p[layer.name]:.2g}, corrected for {plural(len(dense), 'layer')}) and has no "
            "spike. Causes: it was re-initialised or replaced, it was frozen, or no gradient reaches it.",
            advice="Compare it with an earlier checkpoint (eigentrail compare), see whether it is among the "
            "optimizer's parameters and gets a gradient, and load or train it again.",
        )
