"""The loop over epochs and batches for many networks in step."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from eigentrail._progress import Progress
from eigentrail.data import Data, black_of
from eigentrail.errors import RunWarning
from eigentrail.runs import Recorder
from eigentrail.runs.together import Together
from eigentrail.training.accuracy import Score, score
from eigentrail.training.calendar import Calendar
from eigentrail.training.divergence import DivergenceError, check_finite
from eigentrail.training.ensemble_gradients import gradients_of
from eigentrail.training.ensemble_members import Member
from eigentrail.training.ensemble_stack import Stack
from eigentrail.training.interruption import Interruption
from eigentrail.training.loop import STATES
from eigentrail.training.randomness import image_generator
from eigentrail.training.resuming import training_state

_CLOSERS = 16


@dataclass
class Trainee:
    """A member in training.

    Attributes:
        member: what it is.
        model: its network.
        optimizer: its optimizer.
        recorder: its recorder.
        random: the state of torch's random generator that its training alone would have.
    """

    member: Member
    model: nn.Module
    optimizer: torch.optim.Optimizer
    recorder: Recorder
    random: torch.Tensor


def train_together(
    trainees: Sequence[Trainee],
    data: Data,
    start: int,
    interruption: Interruption,
    tell: Progress,
) -> None:
    """Train networks in step, all from one step on, and record each of them.

    A member whose loss is no number any more is closed and let go of; the others go on.

    Args:
        trainees: the networks, alike but for their numbers, and their recorders, not yet opened.
        data: the samples.
        start: the step that all of them are at.
        interruption: whether to stop.
        tell: told about the progress.
    """
    with _opened([one.recorder for one in trainees]):
        _Together(trainees, data, interruption, tell).run(start)


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

    def __init__(self, trainees: Sequence[Trainee], data: Data, interruption: Interruption, tell: Progress):
        self.trainees = list(trainees)
        self.shared = trainees[0].member.settings
        self.interruption = interruption
        self.tell = tell
        dtype = self.shared.torch_dtype
        self.inputs, self.targets = data.train_inputs.to(dtype), data.train_targets
        self.test_inputs, self.test_targets = data.test_inputs.to(dtype), data.test_targets
        self.black = black_of(data)
        # Epochs are as long for one as for the other; the order of the samples is each one's own.
        self.calendars = {one.member.name: Calendar(one.member.settings, self.targets) for one in trainees}
        self.calendar = self.calendars[trainees[0].member.name]
        self.stack = Stack([one.model for one in trainees], [one.optimizer for one in trainees])
        self.gradients = gradients_of(self.stack, self.inputs, self.targets)
        self.recording = self._record()
        self.orders = torch.empty((len(trainees), 0), dtype=torch.int64)
        self.step = 0

    def run(self, start: int) -> None:
        epochs, size = self.shared.epochs, self.shared.batch_size
        between = max(1, epochs // STATES)
        self.step = start
        self._set_rates(self.calendar.epoch_of(start))
        text = f"from step {start}"
        if start == 0:
            text = self._evaluate(0)
            self._keep()
        for epoch in range(self.calendar.epoch_of(start), epochs):
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
        augmentation = self.shared.augmentation
        if augmentation is None:
            return None
        changed = []
        for one, own in zip(self.trainees, chosen, strict=True):
            chance = image_generator(one.member.settings.seed, self.step)
            changed.append(augmentation.apply(self.inputs[own], chance, self.black))
        return torch.stack(changed)

    def _evaluate(self, epoch: int) -> str:
        """Evaluate each network on all samples, record it, and say the mean in words."""
        accuracies: list[float] = []
        wild: list[int] = []
        self.recording.flush()
        for k, one in enumerate(self.trainees):
            train = score(one.model, self.inputs, self.targets)
            metrics = {"train_loss": train.loss, "train_accuracy": train.accuracy, "lr": self.rates[k]}
            scores: list[Score] = [train]
            if len(self.test_inputs):
                test = score(one.model, self.test_inputs, self.test_targets)
                metrics |= {"test_loss": test.loss, "test_accuracy": test.accuracy}
                scores.append(test)
                metrics |= self._by_phase(one.model)
            bad = next((s.loss for s in scores if s.loss - s.loss != 0), None)
            if bad is not None:
                self._close(k, bad, self.step, float(epoch))
                wild.append(k)
                continue
            one.recorder.epoch(float(epoch), **metrics)
            accuracies.append(scores[-1].accuracy)
        self._let_go(wild)
        if not accuracies:
            return "none is left"
        part = "test" if len(self.test_inputs) else "training"
        mean = sum(accuracies) / len(accuracies)
        return f"{len(accuracies)} networks, mean {part} accuracy {mean:.1%}"

    def _by_phase(self, model: nn.Module) -> dict[str, float]:
        found = {}
        for number, phase in enumerate(self.shared.phases, start=1):
            there = torch.isin(self.test_targets, torch.tensor(phase.classes))
            if there.any():
                part = score(model, self.test_inputs[there], self.test_targets[there])
                found[f"test_accuracy_phase{number}"] = part.accuracy
        return found

    def _close(self, k: int, loss: float, step: int, epoch: float) -> None:
        one = self.trainees[k]
        self.recording.flush()
        try:
            check_finite(loss, step, epoch, self.rates[k], one.recorder.path)
        except DivergenceError as error:
            one.recorder.close(error)
            warnings.warn(f"{one.member.name}: {error}; the others go on", RunWarning, stacklevel=2)

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
        self.gradients = gradients_of(self.stack, self.inputs, self.targets)
        self.recording = self._record()
        return [None if gradient is None else gradient[kept] for gradient in gradients]

    def _record(self) -> Together:
        stacked = dict(zip(self.stack.names, self.stack.values, strict=True)) | self.stack.buffers
        return Together([one.recorder for one in self.trainees], stacked.get)

    def _keep(self) -> None:
        self.recording.flush()
        for one in self.trainees:
            one.recorder.checkpoint(training=_own(training_state(one.optimizer)) | {"random": one.random})

    def _shuffle(self, epoch: int) -> None:
        orders = [self.calendars[one.member.name].order(epoch) for one in self.trainees]
        self.orders = torch.stack(orders) if orders else self.orders

    def _set_rates(self, epoch: int) -> None:
        last = self.shared.epochs - 1
        self._use([one.member.settings.lr_in(min(epoch, last)) for one in self.trainees])

    def _use(self, rates: list[float]) -> None:
        self.rates = rates
        if rates:
            self.stack.set_rates(rates)


def _own(state: Any) -> Any:
    """Copy the tensors of a state: saving a view would save the stack of all members."""
    if isinstance(state, torch.Tensor):
        return state.clone()
    if isinstance(state, dict):
        return {key: _own(value) for key, value in state.items()}
    return [_own(value) for value in state] if isinstance(state, list) else state
