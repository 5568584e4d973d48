"""The loss of scaled weights, L(alpha w), with its exponential and its quadratic fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from torch import nn

from eigentrail._arrays import to_float64
from eigentrail.errors import OptionError
from eigentrail.evaluation.candidates import Candidates, Loss


@dataclass(frozen=True)
class LossScaling:
    """L(alpha w) around alpha = 1 (S1 6.14).

    Attributes:
        curve: `loss` and `accuracy` over [alpha].
        rate: of the exponential fit L = c exp(-rate alpha), by least squares of log L.
        exponential_r2: share of the variance of log L that it explains; NaN where a loss is not positive.
        exponential_loss_r2: share of the variance of L that it explains, to be compared with that of the quadratic fit;
            it can be negative.
        curvature: b of the quadratic fit L = a + b alpha^2.
        quadratic_r2: share of the variance of L that it explains.
        form: "exponential" or "quadratic", whichever leaves less of L.
    """

    curve: xr.Dataset
    rate: float
    exponential_r2: float
    exponential_loss_r2: float
    curvature: float
    quadratic_r2: float
    form: str


def loss_scaling(
    model: nn.Module,
    data: Any,
    layers: str | Sequence[str] | None = None,
    *,
    factors: Any = None,
    loss: Loss | None = None,
    weight_decay: float = 0.0,
) -> LossScaling:
    """Scale the weights of some layers, and fit the loss.

    Without weight decay S1 finds an exponential, the growing confidence of a network that classifies everything;
    with weight decay a quadratic growth.

    Args:
        model: the network.
        data: (inputs, targets), or a torch Dataset or DataLoader of such pairs, which is read once.
        layers: globs over the parameters that are scaled; None for all.
        factors: alphas, at least 3; None for 21 from 1 to 2.
        loss: loss(outputs, targets), a mean over samples; None for the cross-entropy.
        weight_decay: torch's: weight_decay ||w||^2 / 2 of the whole network is added to the loss, which the training
            lowers with it. It alone is quadratic in alpha.

    Returns:
        The curve and both fits.

    Raises:
        DataError: the data are no pairs of as many inputs and targets, the network does not take the inputs, or the
            loss not its outputs and the targets.
        OptionError: there are fewer than three different factors.
    """
    alpha = np.linspace(1.0, 2.0, 21) if factors is None else np.unique(to_float64(factors))
    if len(alpha) < 3 or not np.isfinite(alpha).all():
        raise OptionError("loss scaling needs at least three different finite factors.")
    candidates = Candidates(model, data, layers, loss)
    w = candidates.weights
    losses, accuracies = candidates.evaluate(a * w for a in alpha)
    if weight_decay:
        own = float(w @ w)
        others = sum(float((p.detach().double() ** 2).sum()) for p in model.parameters()) - own
        losses = losses + weight_decay / 2.0 * (others + alpha**2 * own)
    curvature, base = np.polyfit(alpha**2, losses, 1)
    quadratic = _r2(losses, base + curvature * alpha**2)
    rate, exponential, left = float("nan"), float("nan"), -np.inf
    if (losses > 0.0).all():
        slope, offset = np.polyfit(alpha, np.log(losses), 1)
        rate = float(-slope)
        exponential = _r2(np.log(losses), offset + slope * alpha)
        left = _r2(losses, np.exp(offset + slope * alpha))
    return LossScaling(
        curve=xr.Dataset(
            {"loss": ("alpha", losses), "accuracy": ("alpha", accuracies)}, coords={"alpha": alpha}
        ),
        rate=rate,
        exponential_r2=exponential,
        exponential_loss_r2=left if np.isfinite(left) else float("nan"),
        curvature=float(curvature),
        quadratic_r2=quadratic,
        form="exponential" if left > quadratic else "quadratic",
    )


def _r2(y: np.ndarray[Any, Any], fit: np.ndarray[Any, Any]) -> float:
    total = float(((y - y.mean()) ** 2).sum())
    return 1.0 - float(((y - fit) ** 2).sum()) / total if total > 0.0 else 1.0
