"""All that a training depends on besides the network and the data."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from eigentrail._names import none_such
from eigentrail.data import Augmentation
from eigentrail.data.checked import explained
from eigentrail.errors import OptionError
from eigentrail.training.device import checked_name
from eigentrail.training.losses import LossName
from eigentrail.training.phase import ClassPhase, check_order
from eigentrail.training.schedule import Constant, Schedule, Step, as_schedule


class TrainingSettings(BaseModel):
    """How a network is trained.

    The update is torch's: g <- gradient + weight_decay w; v <- momentum v + g; w <- w - lr v. With a constant rate this
    is S1 eq. 2.5 exactly; there the velocity contains the rate, so the two differ while a changed rate works through
    the velocity.

    Weight decay is in torch's convention: the gradient of the penalty lambda ||w||^2 of S1 and S4 is 2 lambda w, so a
    source's lambda is `weight_decay = 2 lambda` here. It acts on all parameters, biases too, or on dense layers only.

    Attributes:
        optimizer: "sgd", stochastic gradient descent; or "adamw", torch's AdamW with betas .9 and .999, whose weight
            decay shrinks weights by lr x weight_decay beside the gradient, for networks that plain descent hardly
            trains (transformers).
        lr: the learning rate in the first epoch.
        momentum: beta, in [0, 1), of "sgd"; "adamw" has its own.
        weight_decay: the factor of w in the gradient: twice the factor of ||w||^2 in the loss.
        decay_on: what decays: "all" parameters, or those of "dense" layers (`nn.Linear`) only, as in S1's miniAlexNet.
        batch_size: the samples in a step. The last batch of an epoch holds what is left.
        drop_last: True to leave out what is left instead, where it does not fill a batch.
        epochs: how often all training samples are seen.
        schedule: how the rate changes from epoch to epoch: "constant", "cosine", or one of `Step`, `Exponential`,
            `Cosine`.
        phases: parts of the training that see some classes only (`ClassPhase`); none for all samples throughout.
        augmentation: what is done to each training image anew (`data.Augmentation`); None for nothing. Losses and
            accuracies after an epoch are those of the images as they are.
        frozen: globs over parameter names, where a module's name stands for its weight: those keep the values that they
            begin with. Batch norm's running statistics are no parameters and go on.
        loss: the mean over the samples of a batch of "cross-entropy", or of "squared-error", ||f(x) - y||^2 / 2 with y
            the class in one-hot form, as S3 trains; its sum over N samples at a rate eta is this mean at N eta.
        seed: of the initial weights, of the order of the samples and of what the network draws.
        dtype: the precision of weights and inputs, "float32" or "float64". Initial weights are drawn in float32, so
            that both begin alike (those of `deep-linear` in float64).
        device: where it computes: "cpu", "cuda" or "cuda:1" for a GPU, "auto" for a GPU where there is one. A run keeps
            the device that was found.
        threads: the processor threads that torch may use. The bits depend on them, and networks as small as the
            perceptrons gain nothing from a second one.

    Raises:
        OptionError: a setting is unknown or outside what it may be.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    optimizer: Literal["sgd", "adamw"] = "sgd"
    lr: float = Field(default=0.01, gt=0)
    momentum: float = Field(default=0.0, ge=0, lt=1)
    weight_decay: float = Field(default=0.0, ge=0)
    decay_on: Literal["all", "dense"] = "all"
    batch_size: int = Field(default=32, ge=1)
    drop_last: bool = False
    epochs: int = Field(default=10, ge=1)
    schedule: Schedule = Constant()
    phases: tuple[ClassPhase, ...] = ()
    augmentation: Augmentation | None = None
    frozen: tuple[str, ...] = ()
    loss: LossName = "cross-entropy"
    seed: int = Field(default=0, ge=0, lt=2**63)
    dtype: Literal["float32", "float64"] = "float32"
    device: str = "cpu"
    threads: int = Field(default=1, ge=1)

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise OptionError(_sentence(error)) from error

    @field_validator("schedule", mode="before")
    @classmethod
    def _short_forms(cls, given: Any) -> Any:
        return as_schedule(given)

    @field_validator("device")
    @classmethod
    def _known_device(cls, given: str) -> str:
        return checked_name(given)

    @field_validator("phases")
    @classmethod
    def _in_order(cls, phases: tuple[ClassPhase, ...]) -> tuple[ClassPhase, ...]:
        check_order(phases)
        return phases

    @model_validator(mode="after")
    def _one_momentum(self) -> TrainingSettings:
        if self.optimizer == "adamw" and self.momentum:
            raise ValueError('momentum belongs to "sgd", and "adamw" has its own: leave it out')
        return self

    @model_validator(mode="after")
    def _rates_are_numbers(self) -> TrainingSettings:
        # A rate only rises or only falls.
        for epoch in (0, self.epochs - 1):
            try:
                rate = self.lr_in(epoch)
            except OverflowError:
                rate = math.inf
            if rate > torch.finfo(self.torch_dtype).max:
                raise ValueError(
                    f"the rate of epoch {epoch} is {rate:g}, which {self.dtype} does not hold: choose a smaller rate "
                    "or another schedule"
                )
        return self

    def changed(self, **changes: Any) -> TrainingSettings:
        """Take some settings anew.

        Args:
            changes: settings; None leaves one as it is.

        Returns:
            The new settings.
        """
        wanted = {name: value for name, value in changes.items() if value is not None}
        return TrainingSettings(**{**self.model_dump(), **wanted})

    def unreached(self, schedule: bool = True) -> list[str]:
        """Say what the training ends before.

        Args:
            schedule: whether changes of the rate count too.

        Returns:
            A sentence for each phase of classes and each change of the rate that does not come.
        """
        last = f"which its epochs 0 to {self.epochs - 1} do not reach: give it more epochs, or take it out"
        late = [
            f"phases: a phase of classes begins at epoch {one.start}"
            for one in self.phases
            if one.start >= self.epochs
        ]
        if schedule and isinstance(self.schedule, Step):
            late += [
                f"schedule: the rate changes at epoch {at}" for at in self.schedule.at if at >= self.epochs
            ]
        return [f"{each} of the training, {last}" for each in late]

    def lr_in(self, epoch: int) -> float:
        """Give the learning rate of an epoch.

        Args:
            epoch: the epoch, counted from 0.

        Returns:
            The rate, the same for all its steps.
        """
        return self.lr * self.schedule.factor(epoch, self.epochs)

    def steps_per_epoch(self, samples: int) -> int:
        """Count the steps of an epoch.

        Args:
            samples: the number of training samples.

        Returns:
            The number of batches.

        Raises:
            OptionError: there is none.
        """
        steps = samples // self.batch_size if self.drop_last else -(-samples // self.batch_size)
        if steps < 1:
            raise OptionError(
                f"batch_size={self.batch_size} with drop_last leaves no batch of {samples} samples: make it smaller"
            )
        return steps

    @property
    def torch_dtype(self) -> torch.dtype:
        """`dtype` as torch's own."""
        return torch.float64 if self.dtype == "float64" else torch.float32


# What others call a setting, where no letters tell.
_MEANT = {"learning_rate": "lr", "rate": "lr"}


def check_setting(name: str) -> None:
    """Make sure that there is a setting of a name.

    Args:
        name: the name.

    Raises:
        OptionError: there is none; the nearest one is offered.
    """
    if name not in TrainingSettings.model_fields:
        raise OptionError(_no_setting(name))


def _no_setting(name: str) -> str:
    if name in _MEANT:
        return f'there is no training setting "{name}": did you mean {_MEANT[name]}?'
    return none_such(name, TrainingSettings.model_fields, "training setting")


def _sentence(error: ValidationError) -> str:
    name, said = explained(error)
    # The tag of a schedule's kind is no name that anybody writes.
    tags = ("constant", "step", "exponential", "cosine")
    name = ".".join(part for part in name.split(".") if part not in tags) or "the settings"
    if said is None:
        return _no_setting(name)
    given = error.errors()[0]["input"]
    shown = "" if isinstance(given, dict) else f"={given!r}"
    return f"{name}{shown} cannot be used: {said}"
