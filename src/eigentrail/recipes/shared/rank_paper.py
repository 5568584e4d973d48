"""How the paper on ranks (S4) trains its networks: SGD with weight decay, and images that are cropped and turned."""

from __future__ import annotations

from eigentrail.data import Augmentation
from eigentrail.recipes.shared.choices import LAST
from eigentrail.runs.schedules import EveryEpochs
from eigentrail.training import Preset, Step, TrainingSettings
from eigentrail.training.preset import TwoCores, When

LARGER = "a larger decay makes up for fewer steps: ranks fall with rate x decay x steps"
SMALLER = f"the network as wide as two cores train to its end; {LARGER}"
_STEPS = Step(at=(60, 100, 200), gamma=0.1)


def preset(
    layers: dict[str, When],
    two_cores: TwoCores,
    chosen: str,
    rarer: str = "",
    *,
    lr: float,
    batch_size: int,
    epochs: int = 500,
    schedule: Step = _STEPS,
) -> Preset:
    """Give the settings of one of its trainings.

    Args:
        layers: what is recorded.
        two_cores: the size for two cores.
        chosen: which of the settings that the figures vary.
        rarer: why the whole net is recorded more rarely than every 50 steps.
        lr: the rate.
        batch_size: samples in a batch.
        epochs: how many.
        schedule: how the rate falls.

    Returns:
        The settings.
    """
    return Preset(
        settings=TrainingSettings(
            lr=lr,
            weight_decay=5e-4,
            batch_size=batch_size,
            epochs=epochs,
            schedule=schedule,
            augmentation=Augmentation(rotation="range"),
        ),
        layers=layers,
        two_cores=two_cores,
        chosen=(
            f"{chosen} of those that the figures vary",
            "weight_decay is the figures' lambda, as the authors' code passes it to torch; the source's equation 1 "
            "would make it 2 lambda",
            "4 pixels are added at each edge before cropping, and images turn within 15 degrees as in the authors' "
            'code; the text\'s turns by 15 k degrees are Augmentation(rotation="steps")',
            "no momentum",
            LAST,
            *((rarer,) if rarer else ()),
        ),
    )


def at_ends(studied: str, epochs: int) -> dict[str, When]:
    """Record a layer at every step, the net at ends of epochs.

    Args:
        studied: the layer.
        epochs: at the end of every how many.

    Returns:
        {glob: when}.
    """
    return {studied: 1, "*": EveryEpochs(every=epochs)}


def rarer(studied: str, size: str) -> str:
    """Say why a net is recorded more rarely than every 50 steps.

    Args:
        studied: the layer that is recorded at every step, in words.
        size: what the net would take every 50 steps.

    Returns:
        The sentence.
    """
    return (
        f"the source looks at all layers after each epoch and at none in particular: {studied} is recorded at every "
        f"step, at the source's own size the whole net at ends of epochs, for every 50 steps it would take {size}"
    )
