"""The settings of a source's training, at its own size and at one that two cores carry."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict

from eigentrail import data as datasets
from eigentrail.data import Data
from eigentrail.errors import OptionError
from eigentrail.runs.schedules import EveryEpochs
from eigentrail.training.phase import ClassPhase
from eigentrail.training.settings import TrainingSettings

#: When a layer is recorded: every so many steps, at the end of every epoch, or of every so many.
When: TypeAlias = int | Literal["epoch"] | EveryEpochs


class Smaller(BaseModel):
    """A preset on data for which its source's own size is too large or too small.

    Attributes:
        epochs: the number of epochs there.
        layers: what is recorded there; None for everything at every step.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int
    layers: dict[str, When] | None = None


class TwoCores(BaseModel):
    """A size of a preset that two cores carry in minutes.

    Attributes:
        why: why other settings than the number of epochs differ from the source's; empty where they do not.
        network: the name of a smaller network; empty for the source's.
        train_samples: how many training samples are taken at random, where there are so many; None for all.
        test_samples: how many held-out samples, likewise.
        settings: settings other than the preset's.
        layers: what is recorded; None for what the preset records.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    why: str = ""
    network: str = ""
    train_samples: int | None = None
    test_samples: int | None = None
    settings: dict[str, Any] = {}
    layers: dict[str, When] | None = None


class Preset(BaseModel):
    """How a source trains a network: the settings part of a recipe.

    Attributes:
        settings: the source's settings.
        layers: what is recorded: {glob: every so many steps}; the first glob that fits counts.
        on: for some data sets, another number of epochs and what is recorded then.
        two_cores: a smaller size beside the source's own; None where the source's is small enough.
        chosen: what the source leaves open or is read in one of several ways, and what was chosen.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    settings: TrainingSettings
    layers: dict[str, When] | None
    on: dict[str, Smaller] = {}
    two_cores: TwoCores | None = None
    chosen: tuple[str, ...] = ()

    def settings_for(self, data: str, full: bool = True) -> TrainingSettings:
        """Give the settings on a data set.

        Args:
            data: its name.
            full: True for the source's size, False for that of two cores.

        Returns:
            The source's settings, changed where `two_cores` or `on` says so.
        """
        if self.two_cores is not None and not full:
            return self.settings.changed(**self.two_cores.settings)
        return self.settings.changed(epochs=self.on[data].epochs) if data in self.on else self.settings

    def network_for(self, network: str, full: bool = True) -> str:
        """Name the network that is trained.

        Args:
            network: the source's.
            full: True for the source's size, False for that of two cores.

        Returns:
            The source's, or the smaller one of `two_cores`.
        """
        return network if full or self.two_cores is None else self.two_cores.network or network

    def layers_for(self, data: str, full: bool = True) -> dict[str, When] | None:
        """Say what is recorded on a data set.

        Args:
            data: its name.
            full: True for the source's size, False for that of two cores.

        Returns:
            {glob: when}; None for everything at every step.
        """
        if self.two_cores is not None and not full and self.two_cores.layers is not None:
            return self.two_cores.layers
        return self.on[data].layers if data in self.on else self.layers

    def samples_for(self, data: Data, full: bool = True) -> Data:
        """Take the samples that are trained and tested.

        Args:
            data: the data set.
            full: True for all, False for those of two cores.

        Returns:
            The data set itself or a random part of it, the same for every seed of a training.
        """
        if full or self.two_cores is None:
            return data
        wanted = (self.two_cores.train_samples, self.two_cores.test_samples)
        there = (len(data.train_targets), len(data.test_targets))
        train, test = (n if n is not None and n < m else None for n, m in zip(wanted, there, strict=True))
        return data if train is None and test is None else datasets.take(data, train, test)

    def settings_asked(self, settings: TrainingSettings, epochs: int | None = None) -> TrainingSettings:
        """Take another number of epochs, and begin phases of classes at the same share of it.

        Args:
            settings: the settings.
            epochs: the number; None leaves it as it is.

        Returns:
            The settings.

        Raises:
            OptionError: a phase would be left without an epoch.
        """
        asked = settings.changed(epochs=epochs)
        starts = [phase.start * asked.epochs // settings.epochs for phase in settings.phases]
        if any(b <= a for a, b in pairwise(starts)):
            raise OptionError(
                f"epochs={epochs}: this training has {len(starts)} phases of classes, and each needs an epoch: give "
                "more epochs"
            )
        phases = [
            {"start": start, "classes": phase.classes}
            for start, phase in zip(starts, settings.phases, strict=True)
        ]
        return asked.changed(phases=phases)

    def choices(
        self,
        full: bool = True,
        settings: TrainingSettings | None = None,
        data: str = "",
        source_data: str = "",
        samples: Data | None = None,
    ) -> tuple[str, ...]:
        """Say what was chosen where the source leaves it open, and what is other than there.

        Args:
            full: True for the source's size, False for that of two cores.
            settings: the settings of the training; None for the preset's own.
            data: the name of its data set.
            source_data: that of the source's.
            samples: its samples; None for those of the preset.

        Returns:
            Sentences.
        """
        small = None if full else self.two_cores
        chosen = self.settings_for(data, full) if settings is None else settings
        other = [
            *([f"the network {small.network}"] if small is not None and small.network else []),
            *_other_data(data, source_data),
            *_fewer(small, samples),
            *other_settings(chosen, self.settings),
        ]
        if not other:
            return self.chosen
        why = f" ({small.why})" if small is not None and small.why else ""
        where = "" if small is None else "for two cores, "
        return (*self.chosen, f"{where}other than in the source: {', '.join(other)}{why}")


def other_settings(settings: TrainingSettings, source: TrainingSettings) -> list[str]:
    """Say which settings differ from a source's; where and with which seed it is computed does not count.

    Args:
        settings: the settings.
        source: the source's.

    Returns:
        A phrase for each that differs.
    """
    found = []
    for name, words in _WORDS.items():
        ours, theirs = getattr(settings, name), getattr(source, name)
        if ours == theirs:
            continue
        if name == "phases":
            alike = [one.classes for one in ours] == [one.classes for one in theirs]
            ours, theirs = (_phases(each, classes=not alike) for each in (ours, theirs))
        elif name == "frozen":
            ours, theirs = (", ".join(each) or "none" for each in (ours, theirs))
        elif isinstance(ours, bool):
            ours, theirs = ("yes" if each else "no" for each in (ours, theirs))
        elif not isinstance(ours, (int, float, str)):
            found.append(f"another {words}")
            continue
        found.append(f"{words} {_number(ours)} instead of {_number(theirs)}")
    return found


# What a reader wants to know, in this order.
_WORDS = {
    "loss": "loss",
    "optimizer": "optimizer",
    "epochs": "epochs",
    "batch_size": "batch size",
    "lr": "rate",
    "momentum": "momentum",
    "weight_decay": "weight decay",
    "decay_on": "decay on",
    "phases": "phases of classes from epochs",
    "schedule": "schedule",
    "augmentation": "augmentation",
    "frozen": "frozen layers",
    "drop_last": "a short last batch dropped:",
    "dtype": "precision",
}


def _phases(phases: Sequence[ClassPhase], *, classes: bool) -> str:
    told = [
        f"{one.start} ({', '.join(map(str, one.classes))})" if classes else str(one.start) for one in phases
    ]
    return " and ".join(told) or "none"


def _other_data(ours: str, theirs: str) -> list[str]:
    return [] if ours == theirs else [f"{ours} instead of {theirs}"]


def _fewer(small: TwoCores | None, samples: Data | None) -> list[str]:
    if small is None:
        return []
    train, test = small.train_samples, small.test_samples
    if samples is not None:
        # A data set may have fewer than are wanted.
        train, test = (
            there if wanted == there else None
            for wanted, there in ((train, len(samples.train_targets)), (test, len(samples.test_targets)))
        )
    counts = [
        f"{count:,} {what}" for count, what in ((train, "training"), (test, "test")) if count is not None
    ]
    return [f"{' and '.join(counts)} samples"] if counts else []


def _number(value: float | str) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
