"""A layer's Gauss-Newton form from the few outputs of each sample: sum_i J_i^T S_i J_i."""

from __future__ import annotations

import torch

from eigentrail.curvature.arrangement import Arrangement
from eigentrail.curvature.layer_pass import LayerPass
from eigentrail.curvature.tail import GaussNewtonTail

# Relative size below which what a piecewise linear tail should not have is rounding, in units of the epsilon.
_ROUNDING = 64
# Numbers in the derivatives of the outputs that are held at a time.
NUMBERS = 2**24
# Side of the tiles of which only those on and above the diagonal are computed.
_TILE = 512


def straight(passed: LayerPass, seed: int) -> bool:
    """Tell whether the network is piecewise linear behind the layer, so that its Gauss-Newton form is its Hessian.

    The rest of the Hessian, the outputs' second derivatives times the loss's slopes, must vanish along a random
    tangent.

    Args:
        passed: a batch at the layer.
        seed: of the tangent.

    Returns:
        True when it does.
    """
    tail = passed.gauss_newton
    generator = torch.Generator().manual_seed(seed)
    tangent = torch.randn(tail.leaf.shape, generator=generator, dtype=tail.leaf.dtype).to(tail.leaf.device)
    rest = tail.rest(tangent).abs().max()
    return bool(rest <= _ROUNDING * torch.finfo(rest.dtype).eps * tail.apply(tangent[None]).abs().max())


def add_outputs(matrix: torch.Tensor, passed: LayerPass, arrangement: Arrangement) -> None:
    """Add a batch to the tiles on and above the diagonal.

    Args:
        matrix: [n, n] in the order of the parameter vector.
        passed: the batch at the layer.
        arrangement: sees the rows as [samples, positions].
    """
    layer, tail = passed.layer, passed.gauss_newton
    slopes = _slopes(tail, passed, arrangement)
    bends = tail.bends().to(matrix.dtype)
    vectors = arrangement.split(passed.vectors, len(passed.axes), passed.samples)
    vectors = vectors.reshape(passed.samples, vectors.shape[1], layer.groups, layer.inputs)
    width = bends.shape[-1]
    size = max(1, NUMBERS // (width * len(matrix)))
    for low in range(0, passed.samples, size):
        part = slice(low, low + size)
        jacobian = _jacobian(passed, slopes[part], vectors[part]).to(matrix.dtype)
        bent = torch.bmm(bends[part], jacobian).flatten(0, 1)
        jacobian = jacobian.flatten(0, 1)
        for first in range(0, len(matrix), _TILE):
            rows = slice(first, first + _TILE)
            matrix[rows, first:].addmm_(jacobian[:, rows].T, bent[:, first:])


def _slopes(tail: GaussNewtonTail, passed: LayerPass, arrangement: Arrangement) -> torch.Tensor:
    """Give the derivatives of the outputs in z, [samples, width, positions, out]."""
    found = passed.layer.rows(tail.jacobian())
    return arrangement.split(found, len(passed.axes), passed.samples).transpose(0, 1)


def _jacobian(passed: LayerPass, slopes: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
    """Give the derivatives of the outputs in the parameters, [samples, width, n], the weight before the bias."""
    layer = passed.layer
    samples, width, positions, out = slopes.shape
    share = out // layer.groups
    # [samples, groups, width * share, positions] @ [samples, groups, positions, inputs]
    left = slopes.reshape(samples, width, positions, layer.groups, share).permute(0, 3, 1, 4, 2)
    found = left.flatten(2, 3) @ vectors.transpose(1, 2)
    found = found.reshape(samples, layer.groups, width, share, layer.inputs).transpose(1, 2)
    found = found.reshape(samples, width, out, layer.inputs)
    if not (layer.weight and layer.bias):
        return found.flatten(2)
    return torch.cat([found[..., :-1].flatten(2), found[..., -1]], dim=2)
