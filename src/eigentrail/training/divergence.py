"""A training whose loss is no number any more."""

from __future__ import annotations

import math
from pathlib import Path

from eigentrail.errors import RunError


class DivergenceError(RunError):
    """A training diverged; the run up to there is kept.

    Attributes:
        step: the step that could not be made.
        path: the run's folder.
    """

    def __init__(self, step: int, epoch: float, loss: float, lr: float, path: Path):
        super().__init__(
            f"the loss became {loss} at step {step} (epoch {epoch:.2f}) with learning rate {lr:g}: the training "
            f"diverged; {path} keeps the run up to there; take a smaller learning rate"
        )
        self.step = step
        self.path = path


def check_finite(loss: float, step: int, epoch: float, lr: float, path: Path) -> None:
    """Make sure that a loss is a number.

    Args:
        loss: the loss.
        step: the step it belongs to.
        epoch: the epochs completed.
        lr: the learning rate.
        path: the run's folder.

    Raises:
        DivergenceError: it is not finite.
    """
    if not math.isfinite(loss):
        raise DivergenceError(step, epoch, loss, lr, path)
