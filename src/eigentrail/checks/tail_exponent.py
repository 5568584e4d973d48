"""Tail exponents outside 2 to 6, where there is a power law and beyond the exponent's error."""

from __future__ import annotations

import math
from collections.abc import Iterator

from eigentrail.chance import LEVEL, adjust
from eigentrail.checks.framework.contract import Checkpoint, Layer, check
from eigentrail.checks.framework.noise import beyond_noise
from eigentrail.checks.framework.wording import shown
from eigentrail.findings import Effect, Finding, Verdict

_QUESTION = "Is the tail's exponent outside of 2 to 6?"
#: Martin & Mahoney's convention: below 2 a layer may be over-trained, above 6 under-trained.
LOW, HIGH = 2.0, 6.0
# The models beside which a power law is not rejected.
_POSSIBLE = {"power-law", "undecided"}
# Below this goodness-of-fit p-value a power law is rejected (Clauset, Shalizi & Newman 2009).
_REJECTED = 0.1
_Z95 = 1.96


@check(question=_QUESTION, order=80)
def tail_exponent(checkpoint: Checkpoint) -> Iterator[Finding]:
    """Compare the exponents with the convention.

    Args:
        checkpoint: the layers.

    Yields:
        A finding for each that is outside beyond its error, corrected for how many have a power law; one that needs
        a look where most of its siblings are inside.
    """
    beyond = beyond_noise(checkpoint.dense)
    asked = [one for one in checkpoint.dense if beyond.get(one.name) and _is_power_law(one)]
    if not asked:
        return
    p = dict(zip((one.name for one in asked), adjust([_p_outside(one) for one in asked]), strict=True))
    outside = {name for name, each in p.items() if each <= LEVEL}
    for layer in asked:
        if layer.name not in outside:
            continue
        alpha, error = layer.number("alpha") or 0.0, layer.number("alpha_error") or 0.0
        low = alpha < LOW
        siblings = [one for one in checkpoint.siblings(layer) if one.number("alpha") is not None]
        alike = sum(
            (one.number("alpha") or LOW) < LOW if low else (one.number("alpha") or LOW) > HIGH
            for one in siblings
        )
        yield Finding(
            subject=layer.name,
            question=_QUESTION,
            verdict=Verdict.YES,
            sentence=f"The tail of {shown(layer.name)} has exponent {alpha:.2f} ± {error:.2f}, "
            + (
                f"below the usual {LOW:g} to {HIGH:g}: a few directions dominate."
                if low
                else f"above the usual {LOW:g} to {HIGH:g}: a light tail."
            ),
            effect=Effect("tail exponent", alpha),
            interval=(alpha - _Z95 * error, alpha + _Z95 * error),
            p_adjusted=float(p[layer.name]),
            asked=len(asked),
            needs_look=bool(siblings) and 2 * alike < len(siblings),
            detail="Judged only where a power law is not rejected. The range is Martin & Mahoney's convention, "
            "by which "
            "layers outside of it may be over- or under-trained; by itself it is no fault. "
            + (
                "A very heavy tail goes with a few directions that hold the norm: too large a learning rate, too many "
                "epochs, or outlier inputs."
                if low
                else "A light tail goes with a layer that has learned little."
            ),
            advice="Compare validation loss with an earlier checkpoint, and this layer with it (eigentrail compare)."
            if low
            else "Train on, or with a larger learning rate for this layer, and see whether it moves.",
        )


def _is_power_law(layer: Layer) -> bool:
    fits = layer.number("tail_p_value")
    return (
        layer.row.get("tail_model") in _POSSIBLE
        and layer.number("alpha_error") is not None
        and (fits is None or fits >= _REJECTED)
    )


def _p_outside(layer: Layer) -> float:
    alpha, error = layer.number("alpha") or LOW, layer.number("alpha_error") or 1.0
    z = max(LOW - alpha, alpha - HIGH) / max(error, 1e-12)
    return 0.5 * math.erfc(z / math.sqrt(2.0))
