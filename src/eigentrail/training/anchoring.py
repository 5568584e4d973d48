"""What holds a network back in its training, between backward and step: an anchor on what an earlier task needs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import torch

from eigentrail.errors import RunError
from eigentrail.runs.manifest import FILE, Manifest

#: Where a run keeps what it was held by.
ANCHOR = "anchor"


class Anchored(Protocol):
    """What a training can be held by, such as `eigentrail.interventions.SpectralAnchor`."""

    def attach(self, optimizer: torch.optim.Optimizer) -> Callable[[], None]:
        """Act in every step of an optimizer from now on.

        Args:
            optimizer: that of the training.

        Returns:
            A function that takes it off again.
        """

    def describe(self) -> dict[str, Any]:
        """Say what is held, as the run keeps it.

        Returns:
            Plain data, the same for the same anchor.
        """


def check_same_anchor(folder: Path, told: dict[str, Any] | None) -> None:
    """Make sure that a training goes on with the anchor that it began with.

    Args:
        folder: the run's folder; one without a run has none.
        told: what the anchor now says of itself; None without one.

    Raises:
        RunError: the run was held by another one.
    """
    if not (folder / FILE).is_file():
        return
    before = Manifest.read(folder).notes.get(ANCHOR)
    if before != told:
        was, now = ("no anchor" if one is None else _said(one) for one in (before, told))
        raise RunError(
            f"{folder} was trained with {was}, now it would go on with {now}: give the same anchor, made of the "
            "weights that the training began with, or train into another folder"
        )


def _said(told: dict[str, Any]) -> str:
    return f"an anchor ({told.get('form')}, strength {told.get('strength')}, {told.get('fingerprint')})"
