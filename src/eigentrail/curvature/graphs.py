"""Products from a graph that was differentiated once and is differentiated again for each vector."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils import _pytree as pytree

from eigentrail.curvature.calling import refusals
from eigentrail.curvature.model_loss import ModelLoss
from eigentrail.curvature.point import Point
from eigentrail.data.samples import Batch
from eigentrail.errors import CurvatureError

_NO_PATH = (
    "the loss has no gradient path to the chosen parameters: compute it from the network's outputs without .detach(), "
    ".item() or torch.no_grad(), and choose layers that the outputs depend on."
)


class HessianGraph:
    """The gradient of the loss of one batch with its graph; products are its second backward pass.

    Args:
        point: the network and its loss.
        batch: the samples.

    Raises:
        CurvatureError: the loss does not depend on the chosen parameters.
    """

    def __init__(self, point: Point, batch: Batch) -> None:
        self._leaves = point.leaves()
        with point.setting():
            with refusals(point, batch):
                self.loss = point.loss(self._leaves, batch)
            self.gradient = gradient(self.loss, self._leaves, create_graph=True)
        self._bent = [i for i, part in enumerate(self.gradient) if part.requires_grad]

    def product(
        self, vector: tuple[torch.Tensor, ...], *, keep: bool, many: bool
    ) -> tuple[torch.Tensor, ...]:
        """Multiply the Hessian with a vector.

        Args:
            vector: one tensor for each parameter, with k vectors along the first axis if `many`.
            keep: whether the graph is needed again.
            many: whether there are several vectors.

        Returns:
            The products in the same form.
        """
        if not self._bent:
            return tuple(torch.zeros_like(part) for part in vector)
        return _backward(
            [self.gradient[i] for i in self._bent],
            self._leaves,
            [vector[i] for i in self._bent],
            keep=keep,
            many=many,
        )


class GaussNewtonGraph:
    """The outputs of one batch with the graphs of J^T u, linear in u, and of the gradient in the outputs.

    J v is the derivative of (J^T u) . v in u.

    Args:
        point: the network and its loss.
        batch: the samples.

    Raises:
        CurvatureError: the outputs do not depend on the chosen parameters, or the loss not on the outputs.
    """

    def __init__(self, point: Point, batch: Batch) -> None:
        self._leaves = point.leaves()
        with point.setting():
            with refusals(point, batch):
                outputs = Outputs(point.outputs(self._leaves, batch), point, batch)
                self._outputs = outputs.tensors
                self._inner = outputs.leaves()
                self.loss = outputs.loss(self._inner)
            self._slope = gradient(self.loss, self._inner, create_graph=True)
            self._probe = [torch.zeros_like(one, requires_grad=True) for one in self._outputs]
            self._pulled = torch.autograd.grad(
                self._outputs,
                self._leaves,
                self._probe,
                create_graph=True,
                allow_unused=True,
                materialize_grads=True,
            )
        self._bent = [i for i, part in enumerate(self._slope) if part.requires_grad]
        self._reached = [i for i, part in enumerate(self._pulled) if part.requires_grad]

    def product(
        self, vector: tuple[torch.Tensor, ...], *, keep: bool, many: bool
    ) -> tuple[torch.Tensor, ...]:
        """Multiply the Gauss-Newton matrix with a vector; see `HessianGraph.product`."""
        if not self._bent or not self._reached:
            return tuple(torch.zeros_like(part) for part in vector)
        pushed = _backward(
            [self._pulled[i] for i in self._reached],
            self._probe,
            [vector[i] for i in self._reached],
            keep=True,
            many=many,
        )
        bent = _backward(
            [self._slope[i] for i in self._bent],
            self._inner,
            [pushed[i] for i in self._bent],
            keep=keep,
            many=many,
        )
        return _backward(self._outputs, self._leaves, bent, keep=keep, many=many)


class Outputs:
    """The tensors among a network's outputs that have derivatives, and the loss as a function of them.

    Args:
        outputs: what the network gave, in any nesting.
        point: the network and its loss.
        batch: the samples.

    Raises:
        CurvatureError: there are none, or the loss is one of the outputs.
    """

    def __init__(self, outputs: Any, point: Point, batch: Batch, *, traced: bool = False) -> None:
        if isinstance(point.loss_function, ModelLoss):
            raise CurvatureError(
                "the loss calls the network itself, and a Gauss-Newton matrix needs its outputs: give loss(outputs, "
                'targets), or take kind="hessian".'
            )
        if point.loss_function is None and isinstance(getattr(outputs, "loss", None), torch.Tensor):
            raise CurvatureError(
                "the network computes its own loss, and a Gauss-Newton matrix needs the outputs apart from it: give "
                "loss(outputs, batch) that computes it from the outputs."
            )
        self._point, self._batch = point, batch
        self._flat, self._form = pytree.tree_flatten(outputs)
        self._places = [
            i
            for i, one in enumerate(self._flat)
            if isinstance(one, torch.Tensor) and one.is_floating_point() and (traced or one.requires_grad)
        ]
        if not self._places:
            raise CurvatureError(_NO_PATH)
        self.tensors = [self._flat[i] for i in self._places]

    def leaves(self) -> list[torch.Tensor]:
        """Give the tensors cut off from the network."""
        return [one.detach().requires_grad_() for one in self.tensors]

    def loss(self, tensors: Any) -> torch.Tensor:
        """Compute the loss of other values of the tensors."""
        flat = [one.detach() if isinstance(one, torch.Tensor) else one for one in self._flat]
        for place, one in zip(self._places, tensors, strict=True):
            flat[place] = one
        return self._point.loss_of(pytree.tree_unflatten(flat, self._form), self._batch)


def gradient(loss: torch.Tensor, leaves: Any, *, create_graph: bool = False) -> tuple[torch.Tensor, ...]:
    """Differentiate a loss; what it does not depend on has gradient zero.

    Args:
        loss: a scalar.
        leaves: the tensors to differentiate in.
        create_graph: whether the gradient is differentiated again.

    Returns:
        One tensor for each leaf.

    Raises:
        CurvatureError: the loss depends on none of them.
    """
    if not loss.requires_grad:
        raise CurvatureError(_NO_PATH)
    found = torch.autograd.grad(loss, leaves, create_graph=create_graph, allow_unused=True)
    if all(part is None for part in found):
        raise CurvatureError(_NO_PATH)
    return tuple(
        torch.zeros_like(leaf) if part is None else part for part, leaf in zip(found, leaves, strict=True)
    )


def _backward(of: Any, leaves: Any, vectors: Any, *, keep: bool, many: bool) -> tuple[torch.Tensor, ...]:
    found = torch.autograd.grad(
        of,
        leaves,
        vectors,
        retain_graph=keep,
        is_grads_batched=many,
        allow_unused=True,
        materialize_grads=True,
    )
    # What does not depend on the leaves comes back without the axis of the vectors.
    lead = (len(vectors[0]),) if many else ()
    return tuple(
        part if len(leaf.shape) + len(lead) == part.ndim else part.expand(*lead, *leaf.shape)
        for part, leaf in zip(found, leaves, strict=True)
    )
