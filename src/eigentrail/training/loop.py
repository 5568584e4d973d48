"""The training loop."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

import torch
from torch import nn
from torch.nn import functional as F

from eigentrail._progress import shown
from eigentrail.data import Data, as_data, black_of
from eigentrail.errors import OptionError
from eigentrail.networks import NetworkSpec
from eigentrail.runs import Recorder, Run, open_run
from eigentrail.runs.manifest import BuildSpec
from eigentrail.runs.schedules import Every
from eigentrail.training.accuracy import score
from eigentrail.training.calendar import Calendar
from eigentrail.training.divergence import check_finite
from eigentrail.training.ensemble_members import is_several
from eigentrail.training.ensemble_result import Ensemble
from eigentrail.training.interruption import Interruption
from eigentrail.training.optimizers import make_optimizer
from eigentrail.training.preparing import build_network, check_fits, frozen, threads
from eigentrail.training.randomness import image_generator, network_seed
from eigentrail.training.resuming import NOTE, load_latest, training_state
from eigentrail.training.settings import TrainingSettings

# How many full states are kept of a training, about.
STATES = 20


@overload
def train(
    network: str | NetworkSpec | nn.Module,
    data: Any,
    path: str | os.PathLike[str],
    settings: TrainingSettings | None = None,
    *,
    seeds: Iterable[int],
    **arguments: Any,
) -> Ensemble: ...
@overload
def train(
    network: str | NetworkSpec | nn.Module,
    data: Any,
    path: str | os.PathLike[str],
    settings: TrainingSettings | None = None,
    *,
    lr: Sequence[float],
    **arguments: Any,
) -> Ensemble: ...
@overload
def train(
    network: str | NetworkSpec | nn.Module,
    data: Any,
    path: str | os.PathLike[str],
    settings: TrainingSettings | None = None,
    *,
    weight_decay: Sequence[float],
    **arguments: Any,
) -> Ensemble: ...
@overload
def train(
    network: str | NetworkSpec | nn.Module,
    data: Any,
    path: str | os.PathLike[str],
    settings: TrainingSettings | None = None,
    *,
    seeds: None = None,
    lr: float | None = None,
    weight_decay: float | None = None,
    layers: str | Sequence[str] | Mapping[str, Every] | None = None,
    every: Every = 1,
    rebuild: Any = None,
    resume: bool = False,
    overwrite: bool = False,
    notes: Mapping[str, Any] | None = None,
    progress: bool | None = None,
    **changes: Any,
) -> Run: ...
def train(
    network: str | NetworkSpec | nn.Module,
    data: Any,
    path: str | os.PathLike[str],
    settings: TrainingSettings | None = None,
    *,
    seeds: Iterable[int] | None = None,
    lr: float | Sequence[float] | None = None,
    weight_decay: float | Sequence[float] | None = None,
    layers: str | Sequence[str] | Mapping[str, Every] | None = None,
    every: Every = 1,
    rebuild: Any = None,
    resume: bool = False,
    overwrite: bool = False,
    notes: Mapping[str, Any] | None = None,
    progress: bool | None = None,
    **changes: Any,
) -> Run | Ensemble:
    """Train a network and record how its weights move; or many at once, for several seeds or settings.

    Metrics of the run: `loss` of every step, that of its batch before the update; and at step 0 and after each epoch
    `train_loss`, `train_accuracy`, `test_loss`, `test_accuracy` over all samples and `lr`, the rate of the epoch; with
    phases of classes also `test_accuracy_phase1` and so on over the held-out samples of each phase's classes. The
    full state is kept at the start, at the end and at about twenty ends of epochs in between.

    Ctrl-C ends the training after the running step with its state kept (a second one at once); the run is valid and
    its status "interrupted". With `resume=True` it goes on, also after a crash, and its weights become bit for bit
    those of a training that was never interrupted: the same seed on the same machine gives the same weights.

    Args:
        network: a known name ("mlp50"), "package.module:factory", a `NetworkSpec`, or a network, which is trained in
            place from the weights it has.
        data: a known name, a folder, a `Data`, a pair of tensors (inputs, targets), a torch Dataset, or a pair
            (train, test) of either.
        path: the run's folder.
        settings: the settings; defaults for None.
        seeds: several seeds, which are trained as one program with every value of the two settings below, as
            `train_many` says; `path` is then the folder of their runs, and the arguments of `train_many` are taken.
        lr: the learning rate, or several; None for that of the settings.
        weight_decay: the weight decay, or several; None for that of the settings.
        layers: which layers to record, as for `Recorder`.
        every: when to record them, as for `Recorder`.
        rebuild: how `Run.model` builds a network again that was given as such, as for `Recorder`.
        resume: True to go on with the training in the folder, or to begin it where there is none. All must be as it
            was; only the number of epochs may grow, if the schedule does not depend on it.
        overwrite: True to replace the run in the folder.
        notes: what else the run shall keep, as plain data.
        progress: True for a bar or lines on stderr, False for nothing, None for a bar where stderr is a terminal.
        changes: single settings, which go before those of `settings`: `epochs=5, lr=0.1`.

    Returns:
        The run; for several, an `Ensemble`: a sequence of the runs, with `.settings` of each and a `.table`.

    Raises:
        OptionError: the settings or the network's name cannot be used.
        KeyboardInterrupt: Ctrl-C was pressed; the run is closed by then.
    """
    if seeds is not None or is_several(lr) or is_several(weight_decay):
        from eigentrail.training.ensemble import train_many

        return train_many(
            network,
            data,
            path,
            settings,
            seeds=seeds,
            lr=lr,
            weight_decay=weight_decay,
            layers=layers,
            every=every,
            rebuild=rebuild,
            resume=resume,
            overwrite=overwrite,
            notes=notes,
            progress=progress,
            **changes,
        )
    chosen = (settings or TrainingSettings()).changed(lr=lr, weight_decay=weight_decay, **changes)
    if resume and overwrite:
        raise OptionError("resume goes on with the run in the folder, overwrite replaces it: choose one")
    samples = as_data(data)
    model, spec = build_network(network, samples, chosen)
    described = spec.model_dump(mode="json") if spec else type(model).__qualname__
    if spec is not None:
        target, arguments = spec.rebuilding()
        rebuild = BuildSpec(target=target, kwargs=arguments)
    model.to(chosen.torch_dtype).train()
    check_fits(model, samples, chosen)
    optimizer = make_optimizer(model, chosen)
    calendar = Calendar(chosen, samples.train_targets)
    total = calendar.steps
    folder = Path(path)
    # What the caller draws, and with how many threads, is not disturbed.
    with torch.random.fork_rng(devices=[]), threads(chosen.threads), frozen(model, chosen.frozen):
        torch.manual_seed(network_seed(chosen.seed))
        found = load_latest(folder, model, optimizer, samples, chosen, described, total) if resume else None
        if found is not None and found.finished:
            return open_run(folder)
        recorder = Recorder(
            model,
            folder,
            layers,
            every,
            steps=total,
            rebuild=rebuild,
            data=samples.describe(),
            optimizer=optimizer,
            seed=chosen.seed,
            notes={**(notes or {}), NOTE: chosen.model_dump(mode="json"), "network": described},
            resume=False if found is None else found.step,
            # Nothing is lost: a run without a kept state has not made a step.
            overwrite=overwrite or (resume and found is None),
        )
        with Interruption() as interruption:
            with recorder:
                loop = _Loop(model, optimizer, samples, chosen, recorder, calendar, interruption)
                loop.run(0 if found is None else found.step, progress)
            if interruption.requested:
                # In the last step: the run is finished, but whoever asked for an end does not want what follows.
                raise KeyboardInterrupt
    return open_run(folder)


class _Loop:
    """The loop over epochs and batches.

    Args:
        model: the network, in training mode.
        optimizer: its optimizer.
        data: the samples.
        settings: the settings.
        recorder: an open recorder.
        calendar: its epochs.
        interruption: whether to stop.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        data: Data,
        settings: TrainingSettings,
        recorder: Recorder,
        calendar: Calendar,
        interruption: Interruption,
    ):
        self.model = model
        self.optimizer = optimizer
        self.settings = settings
        self.recorder = recorder
        self.calendar = calendar
        self.black = black_of(data)
        self.interruption = interruption
        dtype = settings.torch_dtype
        self.inputs, self.targets = data.train_inputs.to(dtype), data.train_targets
        self.test_inputs, self.test_targets = data.test_inputs.to(dtype), data.test_targets
        self.step = 0

    def run(self, start: int, progress: bool | None) -> None:
        epochs = self.settings.epochs
        between = max(1, epochs // STATES)
        self.step = start
        self._set_rate(self.calendar.epoch_of(start))
        with shown("training", progress) as tell:
            if start == 0:
                text = self._evaluate(0)
                self._keep()
            else:
                text = f"from step {start}"
            for epoch in range(self.calendar.epoch_of(start), epochs):
                tell(f"epoch {epoch + 1}, {text}", epoch, epochs)
                self._set_rate(epoch)
                order = self.calendar.order(epoch)
                first, last = self.step - self.calendar.start_of(epoch), self.calendar.steps_in(epoch)
                for batch in range(first, last):
                    size = self.settings.batch_size
                    self._make_step(order[batch * size : (batch + 1) * size])
                    if batch + 1 == last:
                        text = self._evaluate(epoch + 1)
                        if (epoch + 1) % between == 0 or epoch + 1 == epochs:
                            self._keep()
                    if self.interruption.requested and self.step < self.calendar.steps:
                        self._keep()
                        raise KeyboardInterrupt
            tell(text, epochs, epochs)

    def _make_step(self, chosen: torch.Tensor) -> None:
        inputs = self.inputs[chosen]
        if self.settings.augmentation is not None:
            chance = image_generator(self.settings.seed, self.step)
            inputs = self.settings.augmentation.apply(inputs, chance, self.black)
        loss = F.cross_entropy(self.model(inputs), self.targets[chosen])
        number = float(loss.detach())
        epoch = self.calendar.time(self.step + 1)
        # Before the update: the weights that are recorded last are those that gave this loss.
        check_finite(number, self.step + 1, epoch, self._rate, self.recorder.path)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.step += 1
        self.recorder.step(self.step, epoch=epoch, loss=number)

    def _evaluate(self, epoch: int) -> str:
        """Evaluate on all samples, record it, and say it in words."""
        train = score(self.model, self.inputs, self.targets)
        check_finite(train.loss, self.step, float(epoch), self._rate, self.recorder.path)
        metrics = {"train_loss": train.loss, "train_accuracy": train.accuracy, "lr": self._rate}
        text = f"training loss {train.loss:.3g}, accuracy {train.accuracy:.1%}"
        if len(self.test_inputs):
            test = score(self.model, self.test_inputs, self.test_targets)
            check_finite(test.loss, self.step, float(epoch), self._rate, self.recorder.path)
            metrics |= {"test_loss": test.loss, "test_accuracy": test.accuracy}
            text += f"; test {test.accuracy:.1%}"
            for number, phase in enumerate(self.settings.phases, start=1):
                there = torch.isin(self.test_targets, torch.tensor(phase.classes))
                if there.any():
                    part = score(self.model, self.test_inputs[there], self.test_targets[there])
                    metrics[f"test_accuracy_phase{number}"] = part.accuracy
        self.recorder.epoch(float(epoch), **metrics)
        return text

    def _keep(self) -> None:
        self.recorder.checkpoint(training=training_state(self.optimizer))

    def _set_rate(self, epoch: int) -> None:
        self._rate = self.settings.lr_in(min(epoch, self.settings.epochs - 1))
        for group in self.optimizer.param_groups:
            group["lr"] = self._rate
