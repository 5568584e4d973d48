"""Products from a function that was linearised once: forward derivatives as a program of their own."""

from __future__ import annotations

import warnings
from typing import Any

import torch

from eigentrail.curvature.graphs import Outputs
from eigentrail.curvature.point import Point
from eigentrail.data.samples import Batch


def rehearse(point: Point, batch: Batch) -> None:
    """Take the same derivatives of a few samples without tracing.

    Where an operation has none, such as that of `mse_loss` for targets that do not vary, this raises, while tracing may
    end the process.

    Args:
        point: the network and its loss.
        batch: a few samples.
    """
    with point.setting():
        slope = torch.func.grad(lambda values: point.loss(values, batch))
        torch.func.jvp(slope, (point.values,), (point.values,))


class LinearisedHessian:
    """The forward derivative of the gradient of one batch.

    Args:
        point: the network and its loss.
        batch: the samples.
    """

    def __init__(self, point: Point, batch: Batch) -> None:
        with point.setting(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the tracer, about its own work
            slope = torch.func.grad(lambda values: point.loss(values, batch))
            _, self._push = torch.func.linearize(_without_writing(slope), point.values)

    @torch.no_grad()
    def product(
        self, vector: tuple[torch.Tensor, ...], *, keep: bool, many: bool
    ) -> tuple[torch.Tensor, ...]:
        """Multiply the Hessian with a vector; see `graphs.HessianGraph.product`."""
        del keep
        return tuple(torch.func.vmap(self._push)(vector) if many else self._push(vector))


class LinearisedGaussNewton:
    """The forward derivative J of the outputs of one batch, its transpose, and the loss's Hessian between them.

    Args:
        point: the network and its loss.
        batch: the samples.
    """

    def __init__(self, point: Point, batch: Batch) -> None:
        form: list[Outputs] = []

        def network(values: tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
            form.append(Outputs(point.outputs(values, batch), point, batch, traced=True))
            return form[-1].tensors

        with point.setting(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            outputs, self._push = torch.func.linearize(_without_writing(network), point.values)
            self._pull = torch.func.vjp(network, point.values)[1]
            with point.evaluating():
                plain = Outputs(point.outputs(point.values, batch), point, batch, traced=True)
            bent = torch.func.grad(plain.loss)
            _, self._bend = torch.func.linearize(_without_writing(bent), outputs)

    @torch.no_grad()
    def product(
        self, vector: tuple[torch.Tensor, ...], *, keep: bool, many: bool
    ) -> tuple[torch.Tensor, ...]:
        """Multiply the Gauss-Newton matrix with a vector; see `graphs.HessianGraph.product`."""
        del keep
        return tuple(torch.func.vmap(self._once)(vector) if many else self._once(vector))

    def _once(self, vector: Any) -> Any:
        return self._pull(self._bend(self._push(vector)))[0]


def _without_writing(function: Any) -> Any:
    """Replace operations in place: a traced program would write into its own constants, and be right only once."""
    return torch.func.functionalize(function)
