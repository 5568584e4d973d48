"""A layer that carries nothing beyond noise where its siblings are trained: re-initialised, frozen or cut off."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from eigentrail.checks.framework.contract import Checkpoint, check
from eigentrail.checks.framework.noise import NARROW, beyond_noise, like_noise, p_wider
from eigentrail.checks.framework.wording import plural, shown
from eigentrail.findings import Chance, Effect, Finding, Verdict

_QUESTION = "Does a layer look untrained among trained siblings?"
# So many of the siblings must carry structure.
_TRAINED = 0.75
# A layer without siblings stands beside all others, if there are so many; and only if it has so many directions.
_FEWEST_OTHERS = 5
_FEWEST_COLUMNS = 8
# So far below its siblings' median a spread that chance alone makes rare is still noise's.
_FAR_BELOW = 0.1


@check(question=_QUESTION, order=10)
def random_like(checkpoint: Checkpoint) -> Iterator[Finding]:
    """Look for layers that cannot be told from noise while their siblings can.

    A layer without siblings (an embedding, a head) is judged beside all others.

    Args:
        checkpoint: the layers.

    Yields:
        A finding for each.
    """
    dense = checkpoint.dense
    beyond, p = beyond_noise(dense), p_wider(dense)
    for layer in dense:
        spread = layer.number("spread_ratio")
        if spread is None or spread < NARROW:  # narrower than noise: another check's finding
            continue
        siblings = [one for one in checkpoint.siblings(layer) if one.name in beyond]
        beside = "its siblings"
        if not siblings and (layer.number("cols") or 0) >= _FEWEST_COLUMNS:
            beside = "the other layers"
            siblings = [one for one in dense if one is not layer and one.name in beyond]
            siblings = siblings if len(siblings) >= _FEWEST_OTHERS else []
        trained = [one for one in siblings if beyond[one.name]]
        if not siblings or len(trained) < _TRAINED * len(siblings):
            continue
        usual = float(np.median([one.number("spread_z") or 0.0 for one in siblings]))
        told = beyond[layer.name] or bool(layer.number("spikes"))
        near = (layer.number("spread_z") or 0.0) > _FAR_BELOW * usual
        if ((told or beside != "its siblings") and near) or not like_noise(layer, len(dense)):
            continue
        wide = float(np.median([one.number("spread_ratio") or 1.0 for one in siblings]))
        yield Finding(
            subject=layer.name,
            question=_QUESTION,
            verdict=Verdict.YES,
            sentence=f"{shown(layer.name)} looks untrained: its eigenvalues spread {spread:.2f} times as widely as "
            f"noise's, those of {beside} {wide:.3g} times.",
            effect=Effect("spread of the eigenvalues, in units of noise's,", spread),
            chance=Chance("independent entries of the same kurtosis", 1.0),
            asked=len(dense),
            needs_look=True,
            detail=f"{len(trained)} of {plural(len(siblings), beside.split(' ', 1)[1].rstrip('s'))} carry structure "
            "beyond noise; "
            f"in this layer no structure was detected (p = {p[layer.name]:.2g}, corrected for "
            f"{plural(len(dense), 'layer')}). Possible causes: it was re-initialised or replaced, it was "
            f"frozen, or no gradient "
            "reaches it.",
            advice="Compare it with an earlier checkpoint (eigentrail compare), see whether it is among the "
            "optimizer's parameters and gets a gradient, and load or train it again.",
        )
