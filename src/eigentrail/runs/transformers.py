"""Record a training by transformers: a callback for its `Trainer`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from torch import nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from eigentrail.errors import RunError
from eigentrail.runs.adapting import begin_at
from eigentrail.runs.monitor import Monitor
from eigentrail.runs.recorder import Recorder

# Clocks and counters that the trainer logs among its metrics.
_NO_METRICS = ("epoch", "step", "total_flos")


class RecorderCallback(TrainerCallback):  # type: ignore[misc,unused-ignore]
    """Record the weights of a network after the optimizer steps of a `transformers.Trainer`.

    A step is an optimizer step (`state.global_step`): batches whose gradients are only accumulated make none. What the
    trainer logs is kept at the step at which it is logged. A training that goes on from a checkpoint goes on in the
    run with `resume=True`. The trainer tells no callback of an exception: such a run is closed when the process ends,
    and counts as interrupted.

    Args:
        path: the run's folder.
        arguments: everything else as for `Recorder` (`layers`, `every`, `checkpoints`, ...).
    """

    def __init__(self, path: str | os.PathLike[str], **arguments: Any) -> None:
        self._path = Path(path)
        self._arguments = arguments
        self.recorder: Recorder | None = None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Begin the run with the initial weights.

        Args:
            args: the trainer's arguments.
            state: its state.
            control: its control.
            kwargs: the model, the optimizer and more.
        """
        if self.recorder is not None and self.recorder.is_open:
            self.recorder.close(RunError("the training was ended by an exception"))
        arguments = begin_at(self._path, self._arguments, state.global_step)
        arguments.setdefault("seed", args.seed)
        if isinstance(state.max_steps, int) and state.max_steps > 0:
            arguments.setdefault("steps", max(0, state.max_steps - state.global_step))
        if kwargs.get("optimizer") is not None:
            arguments.setdefault("optimizer", kwargs["optimizer"])
        model: nn.Module = kwargs["model"]
        self.recorder = Recorder(model, self._path, **arguments)
        self.recorder.__enter__()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Record the weights that the optimizer has just made.

        Args:
            args: the trainer's arguments.
            state: its state.
            control: its control.
            kwargs: the model, the optimizer and more.
        """
        if self.recorder is not None:
            self.recorder.step(state.global_step)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Keep what the trainer logs.

        Args:
            args: the trainer's arguments.
            state: its state.
            control: its control.
            logs: the metrics.
            kwargs: the model, the optimizer and more.
        """
        metrics = {
            k: v for k, v in (logs or {}).items() if k not in _NO_METRICS and isinstance(v, (int, float))
        }
        if self.recorder is not None and self.recorder.is_open and metrics:
            self.recorder.log(**metrics)

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Tell the recorder that an epoch has ended.

        Args:
            args: the trainer's arguments.
            state: its state.
            control: its control.
            kwargs: the model, the optimizer and more.
        """
        if self.recorder is not None:
            self.recorder.epoch()

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """End the run.

        Args:
            args: the trainer's arguments.
            state: its state.
            control: its control.
            kwargs: the model, the optimizer and more.
        """
        if self.recorder is not None:
            self.recorder.close(replaced=True)


class MonitorCallback(TrainerCallback):  # type: ignore[misc,unused-ignore]
    """Watch the weights of a network: a `Monitor` that is told the optimizer steps of a `transformers.Trainer`.

    Args:
        arguments: as for `Monitor` (`every`, `layers`, `alarms`, `log_to`, ...).
    """

    def __init__(self, **arguments: Any) -> None:
        self._arguments = arguments
        self.monitor: Monitor | None = None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Look at the initial weights.

        Args:
            args: the trainer's arguments.
            state: its state.
            control: its control.
            kwargs: the model and more.
        """
        if state.is_world_process_zero:
            self.monitor = Monitor(kwargs["model"], **self._arguments)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Look at the weights where it is time.

        Args:
            args: the trainer's arguments.
            state: its state.
            control: its control.
            kwargs: the model and more.
        """
        if self.monitor is not None:
            self.monitor.step(state.global_step)
