"""Which samples an epoch sees, and how steps and epochs belong together."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate

import torch

from eigentrail.errors import DataError
from eigentrail.training.randomness import batch_order
from eigentrail.training.settings import TrainingSettings


class Calendar:
    """The epochs of a training: with phases of classes they may differ in length.

    Args:
        settings: the settings.
        targets: the classes of the training samples, [n] or [n, positions].

    Raises:
        DataError: a class of a phase has no training sample, or samples have a class for each position.
    """

    def __init__(self, settings: TrainingSettings, targets: torch.Tensor) -> None:
        self._settings = settings
        self._samples = len(targets)
        self._chosen = [
            torch.isin(targets, torch.tensor(phase.classes)).nonzero()[:, 0] for phase in settings.phases
        ]
        if settings.phases and targets.ndim > 1:
            raise DataError("phases of classes need samples of one class each, not one for each position")
        for phase in settings.phases:
            lacking = sorted(set(phase.classes) - set(targets.tolist()))
            if lacking:
                raise DataError(
                    f"no training sample has class {lacking[0]}, which is to be trained from epoch {phase.start} on"
                )
        lengths = [settings.steps_per_epoch(self._count(epoch)) for epoch in range(settings.epochs)]
        self._starts = [0, *accumulate(lengths)]

    @property
    def steps(self) -> int:
        """The number of steps of the whole training."""
        return self._starts[-1]

    @property
    def smallest_batch(self) -> int:
        """The fewest samples that a step sees."""
        size = self._settings.batch_size
        if self._settings.drop_last:
            return size
        return min(self._count(epoch) % size or size for epoch in range(self._settings.epochs))

    def steps_in(self, epoch: int) -> int:
        """Count the steps of an epoch.

        Args:
            epoch: the epoch, counted from 0.

        Returns:
            The number of batches.
        """
        return self._starts[epoch + 1] - self._starts[epoch]

    def start_of(self, epoch: int) -> int:
        """Count the steps before an epoch.

        Args:
            epoch: the epoch, counted from 0.

        Returns:
            The number of steps.
        """
        return self._starts[epoch]

    def epoch_of(self, step: int) -> int:
        """Find the epoch in which the step after this one is made.

        Args:
            step: how many steps are made.

        Returns:
            The epoch, counted from 0; the number of epochs at the end.
        """
        return min(bisect_right(self._starts, step) - 1, self._settings.epochs)

    def time(self, step: int) -> float:
        """Measure the training in epochs.

        Args:
            step: how many steps are made.

        Returns:
            The number of completed epochs, with fractions.
        """
        epoch = self.epoch_of(step)
        if epoch == self._settings.epochs:
            return float(epoch)
        return epoch + (step - self._starts[epoch]) / self.steps_in(epoch)

    def order(self, epoch: int) -> torch.Tensor:
        """Shuffle the samples of an epoch.

        Args:
            epoch: the epoch, counted from 0.

        Returns:
            Places of training samples.
        """
        order = batch_order(self._settings.seed, epoch, self._count(epoch))
        chosen = self._of(epoch)
        return order if chosen is None else chosen[order]

    def _count(self, epoch: int) -> int:
        chosen = self._of(epoch)
        return self._samples if chosen is None else len(chosen)

    def _of(self, epoch: int) -> torch.Tensor | None:
        number = sum(phase.start <= epoch for phase in self._settings.phases)
        return self._chosen[number - 1] if number else None
