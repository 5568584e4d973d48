"""When the weights of a layer are recorded."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, field_validator

from eigentrail.errors import OptionError

# A training of unknown length is taken to be at most so long, where it is recorded ever more rarely.
_LONG = 10**7


class _Schedule(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    def count(self, steps: int) -> int | None:
        """Count the records of a training.

        Args:
            steps: its number of optimizer steps.

        Returns:
            The number of records, the initial state included; None if it is not known.
        """
        raise NotImplementedError

    def rows(self, steps: int | None) -> int | None:
        """Tell how many records are to be expected, the last step included.

        Args:
            steps: the planned number of optimizer steps; None if it is not known.

        Returns:
            Their number; None if it may be any.
        """
        if steps is None:
            return None
        count = self.count(steps)
        return None if count is None else count + 1


class EverySteps(_Schedule):
    """Every `every` optimizer steps, and the initial state."""

    kind: Literal["steps"] = "steps"
    every: int = Field(ge=1)

    def due(self, before: int, step: int) -> bool:
        """Tell whether a multiple of `every` lies in (before, step].

        Args:
            before: the step told last.
            step: the step told now.

        Returns:
            True if the weights are to be recorded now.
        """
        return step // self.every > before // self.every

    def count(self, steps: int) -> int | None:
        """Count the records of a training.

        Args:
            steps: its number of optimizer steps.

        Returns:
            The number of records, the initial state included.
        """
        return 1 + steps // self.every

    def __str__(self) -> str:
        return "every step" if self.every == 1 else f"every {self.every} steps"


class EveryEpochs(_Schedule):
    """At the end of every `every` epochs, and the initial state."""

    kind: Literal["epochs"] = "epochs"
    every: int = Field(ge=1)

    def due(self, before: int, step: int) -> bool:
        """Tell whether a step is recorded: none is, only ends of epochs are.

        Args:
            before: the step told last.
            step: the step told now.

        Returns:
            False.
        """
        return False

    def due_epoch(self, before: float, epoch: float) -> bool:
        """Tell whether the end of a wanted epoch lies in (before, epoch].

        Args:
            before: the epochs completed at the step told last.
            epoch: the epochs completed now.

        Returns:
            True if the weights are to be recorded now.
        """
        return math.floor(epoch / self.every) > math.floor(before / self.every)

    def count(self, steps: int) -> int | None:
        """Count the records of a training.

        Args:
            steps: its number of optimizer steps.

        Returns:
            None: how many epochs they make is not known.
        """
        return None

    def rows(self, steps: int | None) -> int | None:
        """Tell how many records are to be expected.

        Args:
            steps: the planned number of optimizer steps.

        Returns:
            A number for files of moderate size: epochs are few.
        """
        return 256

    def __str__(self) -> str:
        return "every epoch" if self.every == 1 else f"every {self.every} epochs"


class LogSpaced(_Schedule):
    """The steps round(10^(j / per_decade)), j = 0, 1, ..., each once, and the initial state."""

    kind: Literal["log"] = "log"
    per_decade: int = Field(ge=1)

    def due(self, before: int, step: int) -> bool:
        """Tell whether one of the steps lies in (before, step].

        Args:
            before: the step told last.
            step: the step told now.

        Returns:
            True if the weights are to be recorded now.
        """
        if step < 1:
            return False
        # The largest of the steps that is at most `step`; rounding may carry the next exponent down to it.
        exponent = math.floor(math.log10(step) * self.per_decade) + 1
        while round(10 ** (exponent / self.per_decade)) > step:
            exponent -= 1
        return round(10 ** (exponent / self.per_decade)) > before

    def count(self, steps: int) -> int | None:
        """Count the records of a training.

        Args:
            steps: its number of optimizer steps.

        Returns:
            The number of records, the initial state included.
        """
        if steps < 1:
            return 1
        last = math.ceil(math.log10(steps) * self.per_decade) + 1
        return 1 + len({s for j in range(last + 1) if (s := round(10 ** (j / self.per_decade))) <= steps})

    def rows(self, steps: int | None) -> int | None:
        """Tell how many records are to be expected, the last step included.

        Args:
            steps: the planned number of optimizer steps; None if it is not known.

        Returns:
            Their number.
        """
        return (self.count(_LONG if steps is None else steps) or 0) + 1

    def __str__(self) -> str:
        return f"log-spaced, {self.per_decade} a decade"


class AtSteps(_Schedule):
    """The given steps, and the initial state."""

    kind: Literal["list"] = "list"
    at: tuple[int, ...]

    @field_validator("at")
    @classmethod
    def _sorted(cls, at: tuple[int, ...]) -> tuple[int, ...]:
        if any(step < 0 for step in at):
            raise ValueError("steps are counted from 0")
        return tuple(sorted(set(at)))

    def due(self, before: int, step: int) -> bool:
        """Tell whether one of the steps lies in (before, step].

        Args:
            before: the step told last.
            step: the step told now.

        Returns:
            True if the weights are to be recorded now.
        """
        return bisect_right(self.at, step) > bisect_right(self.at, before)

    def count(self, steps: int) -> int | None:
        """Count the records of a training.

        Args:
            steps: its number of optimizer steps.

        Returns:
            The number of records, the initial state included.
        """
        return 1 + bisect_right(self.at, steps) - bisect_right(self.at, 0)

    def rows(self, steps: int | None) -> int | None:
        """Tell how many records are to be expected, the last step included.

        Args:
            steps: the planned number of optimizer steps; None if it is not known.

        Returns:
            Their number.
        """
        return (self.count(_LONG if steps is None else steps) or 0) + 1

    def __str__(self) -> str:
        return f"at {len(self.at)} given steps"


Schedule: TypeAlias = Annotated[EverySteps | EveryEpochs | LogSpaced | AtSteps, Field(discriminator="kind")]
Every: TypeAlias = "int | str | Sequence[int] | EverySteps | EveryEpochs | LogSpaced | AtSteps"


def epochs(every: int = 1) -> EveryEpochs:
    """Record at the end of every `every` epochs.

    Args:
        every: how many epochs apart.

    Returns:
        The schedule, for the argument `every` of `Recorder`.

    Raises:
        OptionError: `every` is less than 1.
    """
    if every < 1:
        raise OptionError(f"epochs({every}): record at least one epoch apart")
    return EveryEpochs(every=every)


def log_spaced(per_decade: int) -> LogSpaced:
    """Record at log-spaced steps, densely at first and ever more rarely.

    Args:
        per_decade: how many steps between s and 10 s; early on, where there are not so many, every step.

    Returns:
        The schedule, for the argument `every` of `Recorder`.

    Raises:
        OptionError: `per_decade` is less than 1.
    """
    if per_decade < 1:
        raise OptionError(f"log_spaced({per_decade}): give at least one step per decade")
    return LogSpaced(per_decade=per_decade)


def as_schedule(every: Every) -> Schedule:
    """Read the argument `every`.

    Args:
        every: a number of steps, "epoch", a list of steps, or a schedule.

    Returns:
        The schedule it means.

    Raises:
        OptionError: it means none.
    """
    if isinstance(every, _Schedule):
        return every
    if every in ("epoch", "epochs"):
        return EveryEpochs(every=1)
    if isinstance(every, int) and not isinstance(every, bool) and every >= 1:
        return EverySteps(every=every)
    if isinstance(every, Sequence) and not isinstance(every, str) and all(map(_is_step, every)):
        return AtSteps(at=tuple(every))
    raise OptionError(
        f'every={every!r} is no schedule: give a number of steps (at least 1), "epoch", a list of steps counted '
        "from 0, or log_spaced(...) or epochs(...) of eigentrail.runs"
    )


def _is_step(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
