"""The loop over epochs and batches for many networks in step."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from eigentrail._progress import Progress
from eigentrail.errors import RunWarning
from eigentrail.runs import Recorder
from eigentrail.runs.together import Together
from eigentrail.training.divergence import DivergenceError, check_finite
from eigentrail.training.ensemble_gradients import gradients_of
from eigentrail.training.ensemble_stack import Stack
from eigentrail.training.interruption import Interruption
from eigentrail.training.loop import STATES
from eigentrail.training.preparing import Prepared
from eigentrail.training.randomness import image_generator
from eigentrail.training.resuming import training_state
from eigentrail.training.samples import Samples
from eigentrail.training.settings import TrainingSettings

_CLOSERS = 16


@dataclass
class Trainee:
    """A member in training.

    Attributes:
        name: its name.
        prepared: its training.
        random: the state of torch's random generators that its training alone would have.
    """

    name: str
    prepared: Prepared
    random: dict[str, torch.Tensor]

    @property
    def model(self) -> nn.Module:
        """Its network."""
        return self.prepared.model

    @property
    def recorder(self) -> Recorder:
        """Its recorder."""
        return self.prepared.recorder

    @property
    def settings(self) -> TrainingSettings:
        """Its settings."""
        return self.prepared.settings


def train_together(
    trainees: Sequence[Trainee],
    samples: Samples,
    interruption: Interruption,
    tell: Progress,
) -> None:
    """Train networks in step, all from one step on, and record each of them.

    A member whose loss is no number any more is closed and let go of; the others go on.

    Args:
        trainees: the networks, alike but for their numbers, all at the same step.
        samples: the samples.
        interruption: whether to stop.
        tell: told about the progress.
    """
    with _opened([one.recorder for one in trainees]):
        _Together(trainees, samples, interruption, tell).run()


@contextmanager
def _opened(recorders: Sequence[Recorder]) -> Iterator[None]:
    """Open recorders, and close all of them at once: what is waited for is the disk."""
    begun: list[Recorder] = []
    ended: BaseException | None = None
    try:
        for recorder in recorders:
            begun.append(recorder.__enter__())
        yield
    except BaseException as error:
        ended = error
        raise
    finally:
        with ThreadPoolExecutor(_CLOSERS) as pool:
            closing = [pool.submit(recorder.close, ended) for recorder in begun]
        failed = [error for error in (one.exception() for one in closing) if error is not None]
        if failed and ended is None:
            raise failed[0]


class _Together:
    """The loop itself, with open recorders."""

    def __init__(
        self, trainees: Sequence[Trainee], samples: Samples, interruption: Interruption, tell: Progress
    ):
        self.trainees = list(trainees)
        self.shared = trainees[0].settings
        self.samples = samples
        self.interruption = interruption
        self.tell = tell
        # Epochs are as long for one as for the other; the order of the samples is each one's own.
        self.calendar = trainees[0].prepared.calendar
        self.stack = Stack([one.model for one in trainees], [one.prepared.optimizer for one in trainees])
        self.gradients = gradients_of(self.stack, samples.inputs, samples.targets, self.shared.loss)
        self.recording = self._record()
        self.orders = torch.empty((len(trainees), 0), dtype=torch.int64)
        self.step = trainees[0].prepared.start

    def run(self) -> None:
        epochs, size = self.shared.epochs, self.shared.batch_size
        between = max(1, epochs // STATES)
        begun = self.calendar.epoch_of(self.step)
        self._set_rates(begun)
        text = f"from step {self.step}"
        if self.step == 0:
            text = self._evaluate(0)
            self._keep()
        for epoch in range(begun, epochs):
            self.tell(f"epoch {epoch + 1}, {text}", epoch, epochs)
            self._set_rates(epoch)
            self._shuffle(epoch)
            last = self.calendar.steps_in(epoch)
            for batch in range(self.step - self.calendar.start_of(epoch), last):
                if not self.trainees:
                    return
                self._make_step(batch * size, (batch + 1) * size)
                if batch + 1 == last:
                    text = self._evaluate(epoch + 1)
                    if (epoch + 1) % between == 0 or epoch + 1 == epochs:
                        self._keep()
                if self.interruption.requested and self.step < self.calendar.steps:
                    self._keep()
                    raise KeyboardInterrupt
        self.tell(text, epochs, epochs)

    def _make_step(self, first: int, last: int) -> None:
        chosen = self.orders[:, first:last]
        losses, gradients = self.gradients(chosen, self._augmented(chosen))
        numbers = losses.tolist()
        step, epoch = self.step + 1, self.calendar.time(self.step + 1)
        wild = [k for k, number in enumerate(numbers) if number - number != 0]
        # Closed before the update: the weights that are recorded last are those that gave this loss.
        for k in wild:
            self._close(k, numbers[k], step, epoch)
        if wild:
            gradients = self._let_go(wild, gradients)
            numbers = [number for k, number in enumerate(numbers) if k not in wild]
        if not self.trainees:
            return
        self.stack.update(gradients)
        self.step = step
        self.recording.step(step, epoch, [{"loss": number} for number in numbers])

    def _augmented(self, chosen: torch.Tensor) -> torch.Tensor | None:
        if self.shared.augmentation is None:
            return None
        changed = []
        for one, own in zip(self.trainees, chosen, strict=True):
            inputs, _ = self.samples.take(own)
            changed.append(self.samples.augmented(inputs, image_generator(one.settings.seed, self.step)))
        return torch.stack(changed)

    def _evaluate(self, epoch: int) -> str:
        """Evaluate each network on all samples, record it, and say the mean in words."""
        accuracies: list[float] = []
        wild: list[int] = []
        self.recording.flush()
        for k, one in enumerate(self.trainees):
            found = self.samples.evaluate(one.model)
            if found.wild is not None:
                self._close(k, found.wild, self.step, float(epoch))
                wild.append(k)
                continue
            one.recorder.epoch(float(epoch), **found.metrics, lr=self.rates[k])
            accuracies.append(found.last.accuracy)
        self._let_go(wild)
        if not accuracies:
            return "none is left"
        part = "test" if len(self.samples.test_inputs) else "training"
        mean = sum(accuracies) / len(accuracies)
        return f"{len(accuracies)} networks, mean {part} accuracy {mean:.1%}"

    def _close(self, k: int, loss: float, step: int, epoch: float) -> None:
        one = self.trainees[k]
        self.recording.flush()
        try:
            check_finite(loss, step, epoch, self.rates[k], one.recorder.path)
        except DivergenceError as error:
            one.recorder.close(error)
            warnings.warn(f"{one.name}: {error}; the others go on", RunWarning, stacklevel=2)

    def _let_go(
        self, gone: Sequence[int], gradients: Sequence[torch.Tensor | None] = ()
    ) -> list[torch.Tensor | None]:
        """Go on without some networks; give the gradients of the others."""
        kept = [k for k in range(len(self.trainees)) if k not in gone]
        self.trainees = [self.trainees[k] for k in kept]
        if not gone or not kept:
            return list(gradients)
        self.stack.keep(kept)
        self._use([self.rates[k] for k in kept])
        self.orders = self.orders[kept]
        self.gradients = gradients_of(self.stack, self.samples.inputs, self.samples.targets, self.shared.loss)
        self.recording = self._record()
        return [None if gradient is None else gradient[kept] for gradient in gradients]

    def _record(self) -> Together:
        stacked = dict(zip(self.stack.names, self.stack.values, strict=True)) | self.stack.buffers
        return Together([one.recorder for one in self.trainees], stacked.get)

    def _keep(self) -> None:
        self.recording.flush()
        for one in self.trainees:
            one.recorder.checkpoint(training=training_state(one.prepared.optimizer, one.random))

    def _shuffle(self, epoch: int) -> None:
        orders = [one.prepared.calendar.order(epoch) for one in self.trainees]
        self.orders = torch.stack(orders).to(self.samples.home) if orders else self.orders

    def _set_rates(self, epoch: int) -> None:
        last = self.shared.epochs - 1
        self._use([one.settings.lr_in(min(epoch, last)) for one in self.trainees])

    def _use(self, rates: list[float]) -> None:
        self.rates = rates
        if rates:
            self.stack.set_rates(rates)
