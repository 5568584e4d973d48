"""Parts of a training that see some classes only."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from pydantic import Field, field_validator

from eigentrail.data.checked import Checked


class ClassPhase(Checked):
    """From an epoch on, until the next phase, only samples of some classes are trained.

    The network keeps one output for every class of the data set. Before the first phase all samples are trained. S0
    swaps the classes in mid-training: 0 to 4 from epoch 0 on, 5 to 9 from epoch 50 on.

    Attributes:
        start: the epoch, counted from 0.
        classes: class numbers.

    Raises:
        OptionError: a setting is unknown or outside what it may be.
    """

    start: int = Field(ge=0)
    classes: tuple[int, ...] = Field(min_length=1)

    @field_validator("classes", mode="before")
    @classmethod
    def _listed(cls, classes: Sequence[int]) -> Sequence[int]:
        return tuple(classes) if isinstance(classes, range) else classes


def check_order(phases: Sequence[ClassPhase]) -> None:
    """Make sure that phases follow each other.

    Args:
        phases: the phases.

    Raises:
        ValueError: one begins no later than the one before it.
    """
    starts = [phase.start for phase in phases]
    if any(b <= a for a, b in itertools.pairwise(starts)):
        raise ValueError(f"phases begin at epochs {starts}: each must begin later than the one before it")
