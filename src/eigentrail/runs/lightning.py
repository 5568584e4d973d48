"""Record a Lightning training: a callback for `lightning.Trainer`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from eigentrail.runs.adapting import begin_at
from eigentrail.runs.monitor import Monitor
from eigentrail.runs.recorder import Recorder


class RecorderCallback(Callback):  # type: ignore[misc,unused-ignore]
    """Record the weights of a LightningModule after its optimizer steps.

    A step is an optimizer step (`trainer.global_step`): batches whose gradients are only accumulated make none. The
    loss is kept at every step (the mean over accumulated batches), the other logged metrics at the end of each
    epoch. A training that goes on from a checkpoint goes on in the run with `resume=True`.

    Args:
        path: the run's folder.
        arguments: everything else as for `Recorder` (`layers`, `every`, `checkpoints`, ...).
    """

    def __init__(self, path: str | os.PathLike[str], **arguments: Any) -> None:
        self._path = Path(path)
        self._arguments = arguments
        self._losses: list[float] = []
        self._step = 0
        self.recorder: Recorder | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin the run with the initial weights.

        Args:
            trainer: the trainer.
            pl_module: the module that is trained.
        """
        arguments = begin_at(self._path, self._arguments, trainer.global_step)
        if "optimizer" not in arguments and trainer.optimizers:
            arguments["optimizer"] = list(trainer.optimizers)
        if "steps" not in arguments and trainer.estimated_stepping_batches != float("inf"):
            arguments["steps"] = max(0, int(trainer.estimated_stepping_batches) - trainer.global_step)
        self._losses = []
        self.recorder = Recorder(pl_module, self._path, **arguments)
        self.recorder.__enter__()
        self._step = trainer.global_step

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Record, if the batch ended with an optimizer step.

        Args:
            trainer: the trainer.
            pl_module: the module that is trained.
            outputs: what the training step returned.
            batch: the batch.
            batch_idx: its number.
        """
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        if isinstance(loss, torch.Tensor) and loss.numel() == 1:
            # Lightning hands out the loss divided by the number of batches that are accumulated.
            self._losses.append(float(loss.detach()) * trainer.accumulate_grad_batches)
        if self.recorder is None or trainer.global_step == self._step:
            return
        self._step = trainer.global_step
        metrics = {"loss": sum(self._losses) / len(self._losses)} if self._losses else {}
        self._losses = []
        self.recorder.step(trainer.global_step, **metrics)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell the recorder that an epoch has ended, with the logged metrics.

        Args:
            trainer: the trainer.
            pl_module: the module that is trained.
        """
        if self.recorder is None:
            return
        logged: dict[str, Any] = {
            name: value
            for name, value in trainer.callback_metrics.items()
            if name not in ("loss", "epoch", "step")
        }
        self.recorder.epoch(**{name: value for name, value in logged.items() if value.numel() == 1})

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End the run.

        Args:
            trainer: the trainer.
            pl_module: the module that is trained.
        """
        if self.recorder is not None:
            self.recorder.close(replaced=True)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """End the run as interrupted.

        Args:
            trainer: the trainer.
            pl_module: the module that is trained.
            exception: what ended the training.
        """
        if self.recorder is not None:
            self.recorder.__exit__(type(exception), exception, exception.__traceback__)


class MonitorCallback(Callback):  # type: ignore[misc,unused-ignore]
    """Watch the weights of a LightningModule: a `Monitor` that is told its optimizer steps.

    The numbers go to the trainer's loggers, unless `log_to` is given.

    Args:
        arguments: as for `Monitor` (`every`, `layers`, `alarms`, ...).
    """

    def __init__(self, **arguments: Any) -> None:
        self._arguments = arguments
        self.monitor: Monitor | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at the initial weights.

        Args:
            trainer: the trainer.
            pl_module: the module that is trained.
        """
        if not trainer.is_global_zero:
            return

        def show(numbers: Mapping[str, float], step: int) -> None:
            for logger in trainer.loggers:
                logger.log_metrics(dict(numbers), step=step)

        self.monitor = Monitor(pl_module, **{"log_to": show, **self._arguments})

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Look at the weights where it is time.

        Args:
            trainer: the trainer.
            pl_module: the module that is trained.
            outputs: what the training step returned.
            batch: the batch.
            batch_idx: its number.
        """
        if self.monitor is not None:
            self.monitor.step(trainer.global_step)
