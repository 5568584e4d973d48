"""The part of a network behind one layer: products with the loss's second derivative in that layer's outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import nn

from eigentrail.curvature.graphs import gradient

T = TypeVar("T")

# Numbers in the tangents of one vectorised pass: smaller passes are all overhead, larger ones gain nothing.
_VECTORISED = 2**21


@dataclass(frozen=True)
class Cut:
    """A forward pass with the graph cut at one layer.

    Attributes:
        calls: how often the layer was called.
        inputs: its input, without a graph; None when it was not called.
        outputs: its output as the leaf that everything behind it depends on.
        transformed: whether it was called within a transform of `torch.func`, where nothing can be cut.
    """

    calls: int
    inputs: torch.Tensor | None
    outputs: torch.Tensor | None
    transformed: bool = False


def cut(module: nn.Module, run: Callable[[], T]) -> tuple[T, Cut]:
    """Run a network with the graph cut at one of its modules.

    Args:
        module: a module of the network, with one tensor in and one out.
        run: runs the network.

    Returns:
        What `run` returned, and what passed through the module.
    """
    seen: list[tuple[Any, torch.Tensor]] = []
    transformed = False

    def hook(
        _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: torch.Tensor
    ) -> torch.Tensor:
        nonlocal transformed
        if torch._C._functorch.peek_interpreter_stack() is not None:
            transformed = True
            return output
        leaf = output.detach().requires_grad_()
        seen.append((args[0] if args else kwargs.get("input"), leaf))
        # A copy, for whatever comes next may work in place.
        return leaf.clone()

    # In front of other hooks: they see, and may change, what the tail gets.
    handle = module.register_forward_hook(hook, prepend=True, with_kwargs=True)
    try:
        result = run()
    finally:
        handle.remove()
    if transformed or not seen:
        return result, Cut(0, None, None, transformed)
    inputs, leaf = seen[-1]
    return result, Cut(len(seen), inputs.detach(), leaf)


class Tail:
    """Products with the second derivative of a loss in a tensor, from one cached graph.

    Args:
        leaf: the tensor z.
        loss: the scalar loss, whose graph reaches `leaf`.

    Raises:
        CurvatureError: the loss does not depend on it.
    """

    def __init__(self, leaf: torch.Tensor, loss: torch.Tensor) -> None:
        self.leaf = leaf
        self._gradient = gradient(loss, [leaf], create_graph=True)[0]

    def apply(self, tangents: torch.Tensor) -> torch.Tensor:
        """Multiply tangents with the second derivative.

        Args:
            tangents: [k, *z].

        Returns:
            [k, *z].
        """
        if not self._gradient.requires_grad:
            return torch.zeros_like(tangents)
        return _many(
            lambda one, batched: _gradients([self._gradient], [self.leaf], [one], batched=batched)[0],
            tangents,
        )


class GaussNewtonTail:
    """Products with J^T S J: J the derivative of the network's outputs in z, S the loss's Hessian in the outputs.

    Args:
        leaf: the tensor z.
        outputs: the network's outputs, whose graphs reach `leaf`.
        ends: the same values as leaves.
        loss: the scalar loss of `ends`.

    Raises:
        CurvatureError: the loss does not depend on the outputs.
    """

    def __init__(
        self,
        leaf: torch.Tensor,
        outputs: Sequence[torch.Tensor],
        ends: Sequence[torch.Tensor],
        loss: torch.Tensor,
    ) -> None:
        self.leaf, self._outputs, self._ends = leaf, outputs, ends
        # J^T u is linear in u: its derivative in u is J (the double-backward way to a forward derivative).
        self._duals = [torch.zeros_like(one, requires_grad=True) for one in outputs]
        self._pullback = _gradients(outputs, [leaf], self._duals, create_graph=True)[0]
        self._slopes = gradient(loss, ends, create_graph=True)
        self._curved = [place for place, slope in enumerate(self._slopes) if slope.requires_grad]

    def apply(self, tangents: torch.Tensor) -> torch.Tensor:
        """Multiply tangents with the Gauss-Newton form.

        Args:
            tangents: [k, *z].

        Returns:
            [k, *z].
        """
        if not self._curved:
            return torch.zeros_like(tangents)

        def product(tangent: torch.Tensor, batched: bool) -> torch.Tensor:
            pushed = _gradients([self._pullback], self._duals, [tangent], batched=batched)
            bent = _gradients(
                [self._slopes[place] for place in self._curved],
                self._ends,
                [pushed[place] for place in self._curved],
                batched=batched,
            )
            return _gradients(self._outputs, [self.leaf], bent, batched=batched)[0]

        return _many(product, tangents)

    def rest(self, tangent: torch.Tensor) -> torch.Tensor:
        """Multiply a tangent with what else the Hessian has: the outputs' second derivatives times the loss's slopes.

        Args:
            tangent: [*z].

        Returns:
            [*z]; zero where the outputs are piecewise linear in z.
        """
        slopes = [one.detach() for one in self._slopes]
        pulled = _gradients(self._outputs, [self.leaf], slopes, create_graph=True)[0]
        if not pulled.requires_grad:
            return torch.zeros_like(tangent)
        return _gradients([pulled], [self.leaf], [tangent])[0]

    def bends(self) -> torch.Tensor:
        """Give S of each sample, where the outputs are one tensor [samples, ...] that the loss does not mix.

        Returns:
            [samples, width, width], with the outputs of a sample flattened.
        """
        end = self._ends[0]
        if not self._curved:
            return end.new_zeros(len(end), end[0].numel(), end[0].numel())
        found = _many(
            lambda one, batched: _gradients(self._slopes, self._ends, [one], batched=batched)[0], _units(end)
        )
        return found.flatten(2).transpose(0, 1)

    def jacobian(self) -> torch.Tensor:
        """Give the derivatives of the outputs in z, where they are one tensor [samples, ...].

        Returns:
            [width, *z]: entry c holds the derivatives of each sample's output c in that sample's part of z.
        """
        return _many(
            lambda one, batched: _gradients(self._outputs, [self.leaf], [one], batched=batched)[0],
            _units(self._ends[0]),
            self.leaf.numel(),
        )


def _units(like: torch.Tensor) -> torch.Tensor:
    """Give cotangents [width, *like] that each pick one output of every sample."""
    width = like[0].numel()
    units = torch.eye(width, dtype=like.dtype, device=like.device)
    return units[:, None].expand(width, len(like), width).reshape(width, *like.shape)


def _gradients(
    outputs: Sequence[torch.Tensor],
    inputs: Sequence[torch.Tensor],
    cotangents: Sequence[torch.Tensor] | None = None,
    *,
    create_graph: bool = False,
    batched: bool = False,
) -> list[torch.Tensor]:
    """Pull cotangents back, with zeros where there is no path."""
    return list(
        torch.autograd.grad(
            outputs,
            inputs,
            cotangents,
            retain_graph=True,
            create_graph=create_graph,
            is_grads_batched=batched,
            allow_unused=True,
            materialize_grads=True,
        )
    )


def _many(
    product: Callable[[torch.Tensor, bool], torch.Tensor], tangents: torch.Tensor, numbers: int = 0
) -> torch.Tensor:
    """Apply a product to many tangents, several in one vectorised pass where a single one (or `numbers`) is small."""
    size = min(len(tangents), _VECTORISED // max(tangents[0].numel(), numbers, 1))
    if size > 1:
        try:
            return torch.cat([product(part, True) for part in torch.split(tangents, size)])
        except RuntimeError:
            # A custom function without a rule for vmap, or too little memory: one at a time asks for neither.
            pass
    return torch.stack([product(one, False) for one in tangents])
