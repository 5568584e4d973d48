"""A recorded training of a recipe's network, and what is asked of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from eigentrail.data import Data
from eigentrail.errors import OptionError
from eigentrail.recipes.framework.recipe import Recipe
from eigentrail.recipes.framework.run_claim import RunClaim
from eigentrail.recipes.framework.trial import Trial
from eigentrail.training import Preset, TrainingSettings

#: Stands for every data set that is not named.
OTHER = "*"


@dataclass(frozen=True)
class Study:
    """One recorded training and its analyses.

    Attributes:
        preset: the settings of the source's training.
        changes: for a data set, settings other than the preset's; under `OTHER` those for every other one.
        chosen: for a data set, why.
        analyses: the analyses that belong to it besides those that every run has.
        analysed: globs over the layers that are analysed; None for all, or for the one that the study is about.
        claims: the source's claims of one such training.
        seeds: for how many seeds it is carried out unless asked otherwise, at the source's size and at that of two
            cores; claims need three at least.
        fewest: how many epochs it needs at least.
        only: the analyses that are made besides those of `analyses`; None for those that every run has.
    """

    preset: Preset
    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    chosen: Mapping[str, str] = field(default_factory=dict)
    analyses: tuple[str, ...] = ()
    analysed: tuple[str, ...] | None = None
    claims: tuple[RunClaim, ...] = ()
    seeds: tuple[int, int] = (1, 1)
    fewest: int = 1
    only: tuple[str, ...] | None = None

    def trials(self, settings: TrainingSettings, full: bool, seeds: int = 1) -> Sequence[Trial]:
        """Plan the trainings.

        Args:
            settings: not used.
            full: not used.
            seeds: how many.

        Returns:
            One trial of so many seeds.
        """
        del settings, full
        return [Trial("seeds", seeds=seeds)]

    def settings(self, data: str, full: bool = False, epochs: int | None = None) -> TrainingSettings:
        """Give the settings on a data set.

        Args:
            data: its name.
            full: True for the source's own, False for the size that two cores carry.
            epochs: how many are asked for; None for the study's.

        Returns:
            The preset's, changed as the study says.
        """
        changes = {} if full else self.changes.get(data, self.changes.get(OTHER, {}))
        own = self.preset.settings_for(data, full).changed(**changes)
        return self.preset.settings_asked(own, epochs)

    def choices(
        self,
        data: str,
        source_data: str,
        full: bool = False,
        settings: TrainingSettings | None = None,
        samples: Data | None = None,
    ) -> list[str]:
        """Say what was chosen where the source leaves it open or uses something else.

        Args:
            data: the data set's name.
            source_data: that of the source's.
            full: True for the source's own size, False for the one that two cores carry.
            settings: the settings of the training; None for the study's own.
            samples: its samples; None for those that the study asks for.

        Returns:
            Sentences.
        """
        why = None if full else self.chosen.get(data, self.chosen.get(OTHER))
        own = [] if why is None else [why]
        used = self.settings(data, full) if settings is None else settings
        return [*self.preset.choices(full, used, data, source_data, samples), *own]


def study_of(recipe: Recipe) -> Study:
    """Give the plan of a recipe that trains a network.

    Args:
        recipe: the recipe.

    Returns:
        Its plan.

    Raises:
        OptionError: it measures claims by itself and has no such training.
    """
    if not isinstance(recipe.plan, Study):
        raise OptionError(f"{recipe.name} measures claims by itself: it has no training of its own to record")
    return recipe.plan
