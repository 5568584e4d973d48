"""Is torch's second derivative the derivative of its gradient?"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch

from eigentrail.curvature.graphs import gradient
from eigentrail.curvature.point import Point
from eigentrail.curvature.tape import FEW
from eigentrail.curvature.work import Traffic
from eigentrail.data.samples import Batch, Samples
from eigentrail.errors import CurvatureError
from eigentrail.evaluation.modes import full_precision

Vector: TypeAlias = tuple[torch.Tensor, ...]

# Relative step of the difference. A rectifier that changes its state within it makes the difference another one, and so
# it is that small; networks have up to 10^6 of them, a few of which get there by chance, hence several tries.
_STEP = 1e-8
_TRIES = 3
# Relative difference of product and difference quotient, and the error of a gradient.
_TOLERANCE = 1e-3
_ROUNDING = 1e-13
# |u . H v - v . H u| / (|H v| + |H u|), for normal u and v, that rounding explains.
_ASYMMETRY = {torch.float32: 1e-3, torch.float64: 1e-8}
# How far the weights are moved before, relative to their root mean square: away from where a rectifier is at its kink
# exactly, as for biases of zero.
_AWAY = 1e-2
# Copies of all values in float64 that the check takes.
_COPIES = 8


@full_precision()
def check_second_derivative(
    point: Point, samples: Samples, kind: str, make: Callable[[Point, Batch], Any], limit: int
) -> None:
    """Compare a product with the difference of two gradients, and u . H v with v . H u, for a few samples in float64.

    A first derivative may be right where the second is not: that of an operation of the user's own whose backward pass
    is differentiable once, or of torch's `weight_norm`. Products would be wrong without a word, and Lanczos iterations
    take any matrix for a symmetric one.

    Args:
        point: the network and its loss.
        samples: the data; only the first few are used.
        kind: "hessian", or "gauss-newton", for which only the symmetry is looked at.
        make: builds what multiplies the matrix of a batch.
        limit: bytes that may be taken; where float64 copies of all values are larger, and where an operation does not
            know float64 or goes back to float32 (many language models compute their loss in it), only the symmetry is
            looked at, in the precision of the point.

    Raises:
        CurvatureError: they differ by more than rounding.
    """
    fits = _COPIES * 8 * sum(value.numel() for value in point.held()) <= limit
    if kind == "hessian" and (point.dtype == torch.float64 or fits):
        finer = _moved(point.in_precision(torch.float64))
        batch = samples.head(FEW, finer.dtype, finer.device)
        if _is_fine(finer, batch):
            _check_symmetry(finer, batch, make)
            _check_difference(finer, batch, make)
            return
    _check_symmetry(point, samples.head(FEW, point.dtype, point.device), make)


def _is_fine(point: Point, batch: Batch) -> bool:
    """Whether the gradient is computed in float64 all the way."""
    with Traffic() as seen:
        try:
            _gradient(point, batch, point.values, 0.0)
        except RuntimeError:
            return False
    return not seen.precisions - {torch.float64}


def _check_difference(point: Point, batch: Batch, make: Callable[[Point, Batch], Any]) -> None:
    graph = make(point, batch)
    worst = ""
    for seed in range(_TRIES):
        vector = tuple(part * _scale(value) for part, value in _pairs(_normal(point, seed), point.values))
        product = graph.product(vector, keep=True, many=False)
        forth, back = (_gradient(point, batch, vector, step) for step in (_STEP, -_STEP))
        quotient = tuple((one - other) / (2 * _STEP) for one, other in _pairs(forth, back))
        apart = [float((one - other).norm()) for one, other in _pairs(quotient, product)]
        allowed = _TOLERANCE * (_length(product) + _length(quotient)) + _ROUNDING / _STEP * _length(forth)
        # Derivatives that are not finite are told of elsewhere, in the words for them.
        if not _norm(apart) > allowed:
            return
        worst = point.chosen.names[max(range(len(apart)), key=apart.__getitem__)]
    raise CurvatureError(_sentence("not the derivative of the gradient", worst))


def _check_symmetry(point: Point, batch: Batch, make: Callable[[Point, Batch], Any]) -> None:
    graph = make(point, batch)
    u, v = _normal(point, 0), _normal(point, 1)
    hu, hv = (graph.product(one, keep=True, many=False) for one in (u, v))
    apart = [_dot([a], [b]) - _dot([c], [d]) for a, b, c, d in zip(u, hv, v, hu, strict=True)]
    if abs(sum(apart)) > _ASYMMETRY[point.dtype] * (_length(hu) + _length(hv)):
        worst = max(range(len(apart)), key=lambda i: abs(apart[i]))
        raise CurvatureError(_sentence("not symmetric", point.chosen.names[worst]))


def _sentence(what: str, where: str) -> str:
    return (
        f"the second derivative that torch gives is {what}, most of all in {where}: an operation has a wrong one "
        "(torch's weight_norm, an autograd.Function whose backward is not differentiable), so write it in plain "
        "operations."
    )


def _moved(point: Point) -> Point:
    """Move the weights a little, away from kinks that they are at exactly."""
    point.values = tuple(
        value + _AWAY * _scale(value) * part
        for value, part in zip(point.values, _normal(point, _TRIES), strict=True)
    )
    return point


def _gradient(point: Point, batch: Batch, vector: Vector, step: float) -> Vector:
    with point.setting():
        leaves = tuple((value + step * part).requires_grad_() for value, part in _pairs(point.values, vector))
        return gradient(point.loss(leaves, batch), leaves)


def _normal(point: Point, seed: int) -> Vector:
    generator = torch.Generator().manual_seed(seed)
    return tuple(
        torch.randn(value.shape, generator=generator, dtype=torch.float64).to(value) for value in point.values
    )


def _scale(value: torch.Tensor) -> float:
    """Compute the root mean square of a parameter, one where it is zero."""
    return float(value.double().square().mean().sqrt()) or 1.0


def _pairs(one: Vector, other: Vector) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return list(zip(one, other, strict=True))


def _dot(one: Sequence[torch.Tensor], other: Sequence[torch.Tensor]) -> float:
    return sum(float((a.double() * b.double()).sum()) for a, b in zip(one, other, strict=True))


def _length(one: Vector) -> float:
    return float(_dot(one, one) ** 0.5)


def _norm(numbers: list[float]) -> float:
    return math.hypot(*numbers)
