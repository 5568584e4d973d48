"""How the learning rate changes from epoch to epoch."""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import Field, field_validator

from eigentrail.data.checked import Checked
from eigentrail.errors import OptionError


class _Schedule(Checked):
    called: ClassVar[str] = "the schedule "


class Constant(_Schedule):
    """The same rate throughout."""

    kind: Literal["constant"] = "constant"

    def factor(self, epoch: int, epochs: int) -> float:
        """Give the rate of an epoch as a share of the initial one.

        Args:
            epoch: the epoch, counted from 0.
            epochs: how many there are.

        Returns:
            1.
        """
        return 1.0


class Step(_Schedule):
    """Multiplied by `gamma` at the start of each epoch in `at`, counted from 0 (S1 eq. 5.3: at 80 and 120, by 0.1).

    Attributes:
        at: epochs.
        gamma: the factor.
    """

    kind: Literal["step"] = "step"
    at: tuple[int, ...]
    gamma: float = Field(default=0.1, gt=0)

    @field_validator("at")
    @classmethod
    def _counted(cls, at: tuple[int, ...]) -> tuple[int, ...]:
        if any(epoch < 1 for epoch in at):
            raise ValueError(
                "epochs in which the rate changes are counted from 0, and 0 has the initial rate"
            )
        return tuple(sorted(at))

    def factor(self, epoch: int, epochs: int) -> float:
        """Give the rate of an epoch as a share of the initial one.

        Args:
            epoch: the epoch, counted from 0.
            epochs: how many there are.

        Returns:
            gamma to the power of how many of `at` have come.
        """
        return self.gamma ** sum(epoch >= change for change in self.at)


class Exponential(_Schedule):
    """Multiplied by `gamma` after each epoch: eta(t) = eta(0) gamma^t, t in epochs (S1 5.2).

    Attributes:
        gamma: the factor of one epoch.
    """

    kind: Literal["exponential"] = "exponential"
    gamma: float = Field(gt=0)

    def factor(self, epoch: int, epochs: int) -> float:
        """Give the rate of an epoch as a share of the initial one.

        Args:
            epoch: the epoch, counted from 0.
            epochs: how many there are.

        Returns:
            gamma^epoch.
        """
        return float(self.gamma**epoch)


class Cosine(_Schedule):
    """Half a cosine from the initial rate down to `final` times it: (1 + cos(pi t / T)) / 2 for final = 0.

    Loshchilov & Hutter 2017, without restarts; t counts epochs, T is their number.

    Attributes:
        final: the limit, as a share of the initial rate, which would be reached after the last epoch.
    """

    kind: Literal["cosine"] = "cosine"
    final: float = Field(default=0.0, ge=0, le=1)

    def factor(self, epoch: int, epochs: int) -> float:
        """Give the rate of an epoch as a share of the initial one.

        Args:
            epoch: the epoch, counted from 0.
            epochs: how many there are.

        Returns:
            From 1 in epoch 0 towards `final`.
        """
        return self.final + (1 - self.final) * (1 + math.cos(math.pi * epoch / epochs)) / 2


Schedule: TypeAlias = Annotated[Constant | Step | Exponential | Cosine, Field(discriminator="kind")]


def as_schedule(given: Any) -> Any:
    """Read the short forms of a schedule.

    Args:
        given: "constant", "cosine", or anything that the settings take.

    Returns:
        A schedule for a name that needs no numbers; everything else as it is.

    Raises:
        OptionError: it is a name that needs numbers, or none at all.
    """
    if not isinstance(given, str):
        return given
    if given in ("constant", "cosine"):
        return {"kind": given}
    needs = {"step": "Step(at=(80, 120), gamma=0.1)", "exponential": "Exponential(gamma=0.99)"}
    mend = f"give {needs[given]}" if given in needs else "there are constant, step, exponential and cosine"
    raise OptionError(f'schedule="{given}" is not enough: {mend}')
