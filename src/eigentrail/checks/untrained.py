"""The whole network: does it carry anything beyond its initialisation?"""

from __future__ import annotations

from collections.abc import Iterator

from eigentrail.checks.framework.contract import Checkpoint, check
from eigentrail.checks.framework.noise import beyond_noise
from eigentrail.findings import Chance, Effect, Finding, Verdict

_QUESTION = "Do the layers carry structure beyond random noise?"
# A trained network has at least so many layers beyond noise.
_FEWEST = 0.1


@check(question=_QUESTION, order=5)
def untrained(checkpoint: Checkpoint) -> Iterator[Finding]:
    """Count the layers that carry structure that independent entries do not give.

    Args:
        checkpoint: the layers.

    Yields:
        One finding on the network; none where no layer can be tested.
    """
    beyond = beyond_noise(checkpoint.dense)
    if not beyond:
        return
    count, asked = sum(beyond.values()), len(beyond)
    empty = count < _FEWEST * asked or count == 0
    layers = "layer carries" if asked == 1 else "layers carry"
    sentence = (
        f"The network looks untrained: {asked - count} of {asked} {layers} nothing beyond a random initialisation."
        if empty
        else f"{count} of {asked} {layers} structure that a random initialisation does not have."
    )
    yield Finding(
        subject="network",
        question=_QUESTION,
        verdict=Verdict.NO if empty else Verdict.YES,
        sentence=sentence,
        effect=Effect("layers beyond noise", float(count)),
        chance=Chance("independent entries of the same kurtosis", 0.0),
        asked=asked,
        needs_look=empty,
        detail="The spread of each layer's eigenvalues is tested against independent entries (John's test), corrected "
        "for the number of layers."
        + (
            " Possible causes: the weights were never trained, were not loaded, or were saved too early."
            if empty
            else ""
        ),
        advice="See that this is the trained file and that loading it reported no missing or unexpected names."
        if empty
        else "",
    )
