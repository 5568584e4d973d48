"""One batch run through a network with the graph cut behind one layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch.utils._pytree import tree_leaves

from eigentrail.curvature.affine_layer import AffineLayer
from eigentrail.curvature.arrangement import Arrangement, separates
from eigentrail.curvature.calling import refusals
from eigentrail.curvature.determinism import not_finite
from eigentrail.curvature.graphs import Outputs
from eigentrail.curvature.point import Point
from eigentrail.curvature.tail import Cut, GaussNewtonTail, Tail, cut
from eigentrail.data.samples import Batch
from eigentrail.errors import CurvatureError


class NotClosedError(Exception):
    """The layer's Hessian is not given by what is behind the layer; the text says why."""


@dataclass(frozen=True)
class LayerPass:
    """One batch at the layer.

    Attributes:
        layer: the layer.
        tail: second derivatives of the batch's share of the mean loss in z.
        vectors: a, [*axes, groups of channels * inputs].
        axes: shape of the rows of z.
        samples: how many samples the batch has.
        outputs: the network's outputs, where they are one tensor with the samples along its first axis; else None.
        weight: share of the batch's mean loss.
    """

    layer: AffineLayer
    tail: Tail | GaussNewtonTail
    vectors: torch.Tensor
    axes: tuple[int, ...]
    samples: int
    outputs: Outputs | None
    weight: float

    @property
    def width(self) -> int:
        """Numbers that the network gives for a sample; 0 where that cannot be said."""
        return 0 if self.outputs is None else self.outputs.tensors[0][0].numel()

    def product(self, tangents: torch.Tensor) -> torch.Tensor:
        """Multiply tangents [k, *axes, out] of the rows with the second derivative in z."""
        return self.layer.rows(self.tail.apply(self.layer.outputs(tangents).contiguous()))

    @cached_property
    def gauss_newton(self) -> GaussNewtonTail:
        """The Gauss-Newton form behind the layer, whatever form is summed."""
        if isinstance(self.tail, GaussNewtonTail):
            return self.tail
        assert self.outputs is not None
        return _gauss_newton(self.tail.leaf, self.outputs, self.weight)

    def separate(self, arrangement: Arrangement, seed: int) -> bool:
        """Tell whether the groups of an arrangement do not meet in the loss, as far as one product shows."""
        return separates(
            arrangement,
            lambda tangent: self.product(tangent[None])[0],
            self.axes,
            self.layer.out,
            self.samples,
            self.tail.leaf,
            seed,
        )


def layer_pass(
    point: Point,
    kind: str,
    layer: AffineLayer,
    batch: Batch,
    leaves: tuple[torch.Tensor, ...] | None = None,
) -> LayerPass:
    """Run one batch.

    Args:
        point: the network and the loss, within `point.setting()`.
        kind: "hessian" or "gauss-newton".
        layer: where the graph is cut.
        batch: the samples.
        leaves: the chosen parameters with gradients, to look for other uses of them; None to take that for granted.

    Returns:
        What is behind the layer, and what came into it.

    Raises:
        NotClosedError: the layer is used more than once, or its parameters elsewhere, or its input is of an unusual
            shape.
        CurvatureError: the loss is not finite, or does not depend on what is behind the layer.
    """
    found, at = _cut(layer, point, leaves or point.values, batch)
    leaf, inputs = _through(layer, at)
    if leaves is not None:
        _refuse_other_uses(found, leaves, point.chosen.names)
    tail: Tail | GaussNewtonTail
    if kind == "hessian":
        with refusals(point, batch):
            loss = point.loss_of(found, batch)
        if not bool(torch.isfinite(loss)):
            raise CurvatureError(not_finite(float(loss.detach()), found))
        tail = Tail(leaf, batch.weight * loss)
        try:
            outputs = Outputs(found, point, batch)
        except CurvatureError:
            # A network that computes its own loss has no outputs apart from it, and its Hessian needs none.
            outputs = None
    else:
        outputs = Outputs(found, point, batch)
        with refusals(point, batch):
            tail = _gauss_newton(leaf, outputs, batch.weight)
    if outputs is not None and (len(outputs.tensors) > 1 or outputs.tensors[0].shape[:1] != (batch.count,)):
        outputs = None
    return LayerPass(
        layer=layer,
        tail=tail,
        vectors=layer.patches(inputs).flatten(-2),
        axes=tuple(layer.rows(leaf).shape[:-1]),
        samples=batch.count,
        outputs=outputs,
        weight=batch.weight,
    )


def _cut(layer: AffineLayer, point: Point, values: tuple[torch.Tensor, ...], batch: Batch) -> tuple[Any, Cut]:
    try:
        return cut(layer.module, lambda: point.outputs(values, batch))
    except RuntimeError as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        # The whole network was called before: it is the cut that it does not bear, as where it differentiates itself.
        raise NotClosedError(f"the network cannot be cut behind the layer ({error})") from error


def _gauss_newton(leaf: torch.Tensor, outputs: Outputs, weight: float) -> GaussNewtonTail:
    ends = outputs.leaves()
    return GaussNewtonTail(leaf, outputs.tensors, ends, weight * outputs.loss(ends))


def _through(layer: AffineLayer, at: Cut) -> tuple[torch.Tensor, torch.Tensor]:
    """Give the layer's outputs and inputs, or say why they do not carry all of the Hessian."""
    if at.transformed:
        raise NotClosedError("the network calls the layer within torch.func")
    if at.inputs is None or at.outputs is None:
        raise NotClosedError("the network uses the layer's parameters without calling the layer")
    if at.calls > 1:
        raise NotClosedError(f"the network calls the layer {at.calls} times in one forward pass")
    if at.inputs.ndim < layer.axes + 1:
        raise NotClosedError(f"the layer's input has {at.inputs.ndim} axes, without one for the samples")
    return at.outputs, at.inputs


def _refuse_other_uses(outputs: Any, leaves: tuple[torch.Tensor, ...], names: Sequence[str]) -> None:
    """Look for ways from the layer's parameters to the outputs that do not lead through the layer."""
    tensors = [one for one in tree_leaves(outputs) if isinstance(one, torch.Tensor) and one.requires_grad]
    if not tensors:
        return
    found = torch.autograd.grad(
        tensors,
        leaves,
        [torch.ones_like(one) for one in tensors],
        allow_unused=True,
        retain_graph=True,
    )
    used = [name for name, one in zip(names, found, strict=True) if one is not None]
    if used:
        raise NotClosedError(f"the network uses {used[0]} outside its layer too")
