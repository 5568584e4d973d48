"""The loop over the epochs and batches of one training."""

from __future__ import annotations

import torch

from eigentrail._progress import Progress, shown
from eigentrail.training.device import random_state
from eigentrail.training.divergence import check_finite
from eigentrail.training.interruption import Interruption
from eigentrail.training.losses import loss_of
from eigentrail.training.preparing import Prepared
from eigentrail.training.randomness import image_generator
from eigentrail.training.resuming import training_state
from eigentrail.training.samples import Samples

# How many full states are kept of a training, about.
STATES = 20


class Loop:
    """The loop of a training whose recorder is open.

    Args:
        prepared: the training.
        samples: its samples.
        interruption: whether to stop.
    """

    def __init__(self, prepared: Prepared, samples: Samples, interruption: Interruption) -> None:
        self._settings = prepared.settings
        self._model, self._optimizer = prepared.model, prepared.optimizer
        self._calendar, self._recorder = prepared.calendar, prepared.recorder
        self._samples = samples
        self._loss = loss_of(self._settings.loss)
        self._interruption = interruption
        self._step = prepared.start

    def run(self, progress: Progress | bool | None) -> None:
        """Train from the step that the training is at to its end.

        Args:
            progress: True for a bar or lines on stderr, False for nothing, None for a bar where stderr is a terminal;
                or a callable to report to.

        Raises:
            KeyboardInterrupt: the interruption was requested; the state of the last step is kept.
            DivergenceError: the loss is no number any more.
        """
        epochs, size = self._settings.epochs, self._settings.batch_size
        between = max(1, epochs // STATES)
        begun = self._calendar.epoch_of(self._step)
        self._set_rate(begun)
        with shown("training", progress) as tell:
            text = f"from step {self._step}"
            if self._step == 0:
                text = self._evaluate(0)
                self._keep()
            for epoch in range(begun, epochs):
                tell(f"epoch {epoch + 1}, {text}", epoch, epochs)
                self._set_rate(epoch)
                order = self._calendar.order(epoch).to(self._samples.home)
                last = self._calendar.steps_in(epoch)
                for batch in range(self._step - self._calendar.start_of(epoch), last):
                    self._make_step(order[batch * size : (batch + 1) * size])
                    if batch + 1 == last:
                        text = self._evaluate(epoch + 1)
                        if (epoch + 1) % between == 0 or epoch + 1 == epochs:
                            self._keep()
                    if self._interruption.requested and self._step < self._calendar.steps:
                        self._keep()
                        raise KeyboardInterrupt
            tell(text, epochs, epochs)

    def _make_step(self, chosen: torch.Tensor) -> None:
        inputs, targets = self._samples.take(chosen)
        inputs = self._samples.augmented(inputs, image_generator(self._settings.seed, self._step))
        loss = self._loss(self._model(inputs), targets)
        number = float(loss.detach())
        epoch = self._calendar.time(self._step + 1)
        # Before the update: the weights that are recorded last are those that gave this loss.
        check_finite(number, self._step + 1, epoch, self._rate, self._recorder.path)
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        self._step += 1
        self._recorder.step(self._step, epoch=epoch, loss=number)

    def _evaluate(self, epoch: int) -> str:
        """Evaluate on all samples, record it, and say it in words."""
        found = self._samples.evaluate(self._model)
        if found.wild is not None:
            check_finite(found.wild, self._step, float(epoch), self._rate, self._recorder.path)
        self._recorder.epoch(float(epoch), **found.metrics, lr=self._rate)
        return str(found)

    def _keep(self) -> None:
        state = training_state(self._optimizer, random_state(self._samples.device))
        self._recorder.checkpoint(training=state)

    def _set_rate(self, epoch: int) -> None:
        self._rate = self._settings.lr_in(min(epoch, self._settings.epochs - 1))
        for group in self._optimizer.param_groups:
            group["lr"] = self._rate
