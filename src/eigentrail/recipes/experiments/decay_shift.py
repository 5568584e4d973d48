"""How far weight decay bends the loss along leading eigenvectors, by differences of autograd's gradients."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import torch
from jaxtyping import Float64
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F

from eigentrail._arrays import to_float64
from eigentrail.curvature import Curvature
from eigentrail.curvature.weight_decay_shift import WeightDecayShift

# Samples whose activations are in memory at once.
_BATCH = 100
# Distances on either side, in float64: so short that next to no activation of a ReLU changes its sign in between; the
# shorter ones are for where one does.
_REACHES = (1e-8, 1e-9, 1e-10)
# A difference quotient as near to the operator's as this part of the shift needs no shorter distance.
_NEAR = 0.01


def decay_shift(
    model: nn.Module, data: tuple[torch.Tensor, torch.Tensor], layer: str, decay: float, count: int = 10
) -> WeightDecayShift:
    """Measure the shift of a layer's leading eigenvalues by lambda ||w||^2 at the same weights.

    Along each leading eigenvector v of the mean cross-entropy the gradient of loss + lambda sum w^2, which torch's
    autograd gives on a copy in float64, is differenced; v^T H v of the operator without decay is subtracted. Likewise
    v^T H v of the operator with decay minus the difference quotient without it.

    Args:
        model: the network, in eval mode; it is not changed.
        data: inputs and class numbers.
        layer: a parameter's name.
        decay: lambda.
        count: how many eigenvectors at most.

    Returns:
        The median over the eigenvectors of the first difference; `spread` is the largest deviation of either
        difference from it.
    """
    known = Curvature(model, None, data, [layer])
    rows = to_float64(known.top(max(1, min(count, known.n - 1)), "largest", 1e-2).directions())
    precise = deepcopy(model).double()
    plain, decayed = (
        _quotients(Curvature(precise, None, data, [layer], weight_decay=own), rows) for own in (0.0, decay)
    )
    gradients = _Gradients(precise, data, layer, decay)
    differenced = np.stack(
        [gradients.along(row, near=value) for row, value in zip(rows, plain, strict=True)], axis=1
    )
    measured, operated = differenced[1] - plain, decayed - differenced[0]
    shift = float(np.median(measured))
    spread = float(np.abs(np.concatenate([measured, operated]) - shift).max())
    return WeightDecayShift(shift, spread, shift / 2.0, "central differences", len(rows))


def _quotients(curvature: Curvature, rows: Float64[np.ndarray, "k n"]) -> Float64[np.ndarray, " k"]:
    products = to_float64(curvature.apply(torch.from_numpy(np.ascontiguousarray(rows))))
    return np.asarray((rows * products).sum(axis=1))


def _penalty(parameter: torch.Tensor, decay: float) -> torch.Tensor:
    return decay * parameter.square().sum()


class _Gradients:
    """Gradients of the mean cross-entropy and of the penalty by one parameter of a network in float64."""

    def __init__(
        self, model: nn.Module, data: tuple[torch.Tensor, torch.Tensor], layer: str, decay: float
    ) -> None:
        self._model, self._layer, self._decay = model, layer, decay
        self._start = dict(model.named_parameters())[layer].detach()
        inputs, targets = data
        device = self._start.device
        self._inputs = inputs.to(device, torch.float64 if inputs.is_floating_point() else None)
        self._targets = targets.to(device)

    def along(self, direction: Float64[np.ndarray, " n"], *, near: float) -> tuple[float, float]:
        """Difference the gradients along a direction.

        Args:
            direction: of length 1, in the space of the parameter.
            near: the quotient without the penalty that a product with the Hessian gives: of several distances the one
                whose own is nearest is taken, for a sign that changes in between spoils it.

        Returns:
            The quotients without and with the penalty.
        """
        towards = torch.from_numpy(direction).to(self._start).reshape(self._start.shape)
        best = (np.inf, 0.0)
        for reach in _REACHES:
            ends = [self._at(self._start + sign * reach * towards) for sign in (1.0, -1.0)]
            plain, added = (
                float(((one - other) * towards).sum()) / (2.0 * reach)
                for one, other in zip(*ends, strict=True)
            )
            best = min(best, (plain, plain + added), key=lambda found: abs(found[0] - near))
            if abs(best[0] - near) <= _NEAR * 2.0 * self._decay:
                break
        return best

    def _at(self, value: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        value = value.requires_grad_()
        total = torch.zeros_like(value)
        for start in range(0, len(self._inputs), _BATCH):
            inputs, targets = (one[start : start + _BATCH] for one in (self._inputs, self._targets))
            outputs = functional_call(self._model, {self._layer: value}, (inputs,))
            total += torch.autograd.grad(F.cross_entropy(outputs, targets, reduction="sum"), value)[0]
        return total / len(self._inputs), torch.autograd.grad(_penalty(value, self._decay), value)[0]
