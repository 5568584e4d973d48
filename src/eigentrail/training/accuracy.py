"""Loss and accuracy of a network on a part of a data set."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from eigentrail.training.losses import losses_of

_SAMPLES = 2000


@dataclass(frozen=True)
class Score:
    """How well a network does.

    Attributes:
        loss: the mean loss of a sample, or of a position of one.
        accuracy: the share of samples or positions whose largest output is that of their class, 0 to 1.
    """

    loss: float
    accuracy: float


def smallest_part(count: int) -> int:
    """Count the samples of the smallest batch that is evaluated.

    Args:
        count: the number of samples, at least 1.

    Returns:
        The size of the last part.
    """
    return count % _SAMPLES or _SAMPLES


@torch.no_grad()
def score(
    model: nn.Module, inputs: torch.Tensor, targets: torch.Tensor, loss: str = "cross-entropy"
) -> Score:
    """Evaluate a network in eval mode; its mode is put back afterwards.

    Args:
        model: gives logits, [batch, classes] or [batch, classes, positions].
        inputs: samples, [n, ...], n > 0; brought to the network's device in parts.
        targets: their classes, [n] or [n, positions].
        loss: "cross-entropy" or "squared-error", as in `TrainingSettings`.

    Returns:
        Loss and accuracy, means over all samples or positions (the loss accumulated in float64).
    """
    training = model.training
    device = next((parameter.device for parameter in model.parameters()), inputs.device)
    model.eval()
    losses = losses_of(loss)
    total, correct = 0.0, 0
    try:
        for start in range(0, len(inputs), _SAMPLES):
            logits = model(inputs[start : start + _SAMPLES].to(device))
            labels = targets[start : start + _SAMPLES].to(device)
            total += float(losses(logits, labels).double().sum())
            correct += int((logits.argmax(1) == labels).sum())
    finally:
        model.train(training)
    count = targets.numel()
    return Score(total / count, correct / count)
