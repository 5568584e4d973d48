"""The sources' trainings by name."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from eigentrail import data as datasets
from eigentrail._names import look_up
from eigentrail.errors import OptionError
from eigentrail.runs import Run
from eigentrail.runs.schedules import Every
from eigentrail.training.loop import train
from eigentrail.training.schedule import Exponential
from eigentrail.training.settings import TrainingSettings

_SCALING = "inputs have mean 0 and variance 1 over the training set (the source names no scaling)"
_DECAY = "the source's lambda ||w||^2 is weight_decay = 2 lambda in torch, on weights and biases"


class Smaller(BaseModel):
    """A preset on data for which its source's own size is too large or too small.

    Attributes:
        epochs: the number of epochs there.
        layers: what is recorded there; None for everything at every step.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int
    layers: dict[str, int] | None = None


class Preset(BaseModel):
    """A training as a source describes it.

    Attributes:
        name: its name.
        title: what it is, in one line.
        source: where it comes from.
        network: the network's name.
        data: the data set it is run on unless another one is asked for.
        source_data: the source's own data set.
        settings: the source's settings.
        layers: what is recorded: {glob: every so many steps}; the first glob that fits counts.
        on: for some data sets, another number of epochs and what is recorded then.
        chosen: what the source leaves open or is read in one of several ways, and what was chosen.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    source: str
    network: str
    data: str
    source_data: str
    settings: TrainingSettings
    layers: dict[str, int] | None
    on: dict[str, Smaller] = {}
    chosen: tuple[str, ...] = ()

    def settings_for(self, data: str) -> TrainingSettings:
        """Give the settings on a data set.

        Args:
            data: its name.

        Returns:
            The source's settings, with another number of epochs where `on` says so.
        """
        return self.settings.changed(epochs=self.on[data].epochs) if data in self.on else self.settings

    def layers_for(self, data: str) -> dict[str, int] | None:
        """Say what is recorded on a data set.

        Args:
            data: its name.

        Returns:
            {glob: every so many steps}; None for everything at every step.
        """
        return self.on[data].layers if data in self.on else self.layers


_MLP256 = Preset(
    name="mlp256",
    title="MLP 256 on CIFAR-10, without weight decay",
    source="S1 5.2",
    network="mlp256",
    data="cifar10",
    source_data="cifar10",
    settings=TrainingSettings(lr=0.01, batch_size=32, epochs=200, schedule=Exponential(gamma=0.99)),
    # The studied 128 x 64 layer at every step, the network now and then.
    layers={"fc3.weight": 1, "*": 50},
    on={"digits": Smaller(epochs=100)},
    chosen=(_SCALING, "the last batch of an epoch, of 16 images, is used"),
)

PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            name="mlp50",
            title="MLP 50 on the handwritten digits in scikit-learn, or on MNIST as in the source",
            source="S1 5.2",
            network="mlp50",
            data="digits",
            source_data="mnist",
            settings=TrainingSettings(lr=0.01, batch_size=32, epochs=200),
            layers={"fc2.weight": 1, "*": 50},
            on={"digits": Smaller(epochs=100)},
            chosen=(_SCALING, "biases begin at zero, as everywhere in the source", "a constant rate"),
        ),
        _MLP256,
        _MLP256.model_copy(
            update={
                "name": "mlp256-decay",
                "title": "MLP 256 on CIFAR-10, with weight decay lambda = 5e-4",
                "settings": _MLP256.settings.changed(weight_decay=1e-3),
                "chosen": (*_MLP256.chosen, _DECAY),
            }
        ),
    )
}


def names() -> tuple[str, ...]:
    """List the presets.

    Returns:
        Their names, for `preset` and `train_preset`.
    """
    return tuple(PRESETS)


def preset(name: str) -> Preset:
    """Find a preset.

    Args:
        name: one of `names()`, in any spelling.

    Returns:
        The preset.

    Raises:
        OptionError: there is none of that name; the nearest ones are offered.
    """
    return PRESETS[look_up(name, PRESETS, "preset", OptionError)]


def train_preset(
    name: str,
    path: str | os.PathLike[str],
    data: str | os.PathLike[str] | None = None,
    *,
    layers: str | Sequence[str] | Mapping[str, Every] | None = None,
    every: Every = 1,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool | None = None,
    **changes: Any,
) -> Run:
    """Train as a preset says.

    Args:
        name: one of `names()`.
        path: the run's folder.
        data: a data set's name or a folder (`--data NAME|PATH`); None for the preset's own.
        layers: which layers to record; None for what the preset records.
        every: when to record them, where `layers` is given without it.
        resume: True to go on with the training in the folder, or to begin it where there is none.
        overwrite: True to replace the run in the folder.
        progress: True for a bar or lines on stderr, False for nothing, None for a bar where stderr is a terminal.
        changes: settings to take instead of the preset's: `epochs=20, seed=1`; None leaves one as it is.

    Returns:
        The run; its notes hold the preset's name, source and choices.
    """
    chosen = preset(name)
    which, folder = datasets.resolve(data, chosen.data)
    return train(
        chosen.network,
        datasets.load(which, folder),
        path,
        chosen.settings_for(which),
        layers=chosen.layers_for(which) if layers is None else layers,
        every=every,
        resume=resume,
        overwrite=overwrite,
        notes={"preset": chosen.name, "source": chosen.source, "chosen": list(chosen.chosen)},
        progress=progress,
        **changes,
    )
