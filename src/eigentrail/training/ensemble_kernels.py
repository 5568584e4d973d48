"""Dense layers, convolutions and batch norm of a stack by the kernels that a network alone calls.

torch.func maps these over a stack as other operations than a network alone performs: the gradient of a weight as the
transpose of another product, scale and shift of a batch norm after the norm instead of with it, convolutions of all
networks as groups of one. Their rounding differs in the last bit, and a ReLU whose input lies within rounding of 0
makes much of that. Here they are computed as each network computes them alone, which gives the same bits on processors.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

_CONVOLUTIONS = (torch.conv1d, torch.conv2d, torch.conv3d)
# Channels that processors take at once. Those that are left over at the end are computed by other instructions, so that
# they must be at the end for a stack as well.
_VECTOR = 8


class SameKernels(TorchFunctionMode):
    """Within it `torch.vmap` maps dense layers, convolutions and batch norms to the same kernels as outside of it."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Take the place of these functions, and of no other.

        Args:
            func: the function that is called.
            types: not used.
            args: its arguments.
            kwargs: its keyword arguments.

        Returns:
            What it gives.
        """
        del types
        kwargs = kwargs or {}
        if func is F.linear:
            return _linear(*args, **kwargs)
        if func is F.batch_norm:
            return _batch_norm(*args, **kwargs)
        if func in _CONVOLUTIONS:
            return _convolution(func, *args, **kwargs)
        return func(*args, **kwargs)


def _linear(inputs: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    # A sample alone is a vector, which other kernels multiply.
    level = _level(inputs, weight, bias)
    if inputs.ndim < 2 or level is None:
        return F.linear(inputs, weight, bias)
    stacked, weights, biases = (_stacked(one) for one in (inputs, weight, bias))
    members, *middle, width = stacked.shape
    # Here, so that a torch without it refuses the stack and nothing else.
    from torch._functorch.pyfunctorch import temporarily_pop_interpreter_stack

    with temporarily_pop_interpreter_stack():
        found = _StackedLinear.apply(  # type: ignore[no-untyped-call]
            stacked.reshape(members, -1, width), weights, biases
        )
    return _mapped(found.view(members, *middle, -1), level)


def _convolution(
    func: Any,
    inputs: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    *rest: Any,
    **more: Any,
) -> torch.Tensor:
    level = _level(inputs, weight, bias)
    # One by one on a processor: as groups of one they take longer there, too. On a GPU, fewer launches count.
    if level is None or inputs.device.type != "cpu":
        found: torch.Tensor = func(inputs, weight, bias, *rest, **more)
        return found
    stacked, weights, biases = (_stacked(one) for one in (inputs, weight, bias))
    each = [
        func(stacked[k], weights[k], None if biases is None else biases[k], *rest, **more)
        for k in range(len(stacked))
    ]
    return _mapped(torch.stack(each), level)


def _batch_norm(
    inputs: torch.Tensor,
    running_mean: torch.Tensor | None,
    running_var: torch.Tensor | None,
    weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> torch.Tensor:
    given = (inputs, running_mean, running_var, weight, bias)
    level = _level(*given)
    if not training or level is None or any(one is None for one in given):
        return F.batch_norm(inputs, running_mean, running_var, weight, bias, training, momentum, eps)
    stacked, *rest = (_stacked(one) for one in given)
    members, batch, channels, *sides = stacked.shape
    if not sides and channels % _VECTOR and stacked.device.type == "cpu":
        each = [
            _normed(x, mean, var, scale, shift, momentum, eps)
            for x, mean, var, scale, shift in zip(stacked, *rest, strict=True)
        ]
        return _mapped(torch.stack(each), level)
    # The channels of all networks are those of one batch norm; its statistics are views, which move in place.
    together = stacked.transpose(0, 1).reshape(batch, members * channels, *sides)
    mean, var, scale, shift = (one.view(-1) for one in rest)
    found = _normed(together, mean, var, scale, shift, momentum, eps)
    return _mapped(found.view(batch, members, channels, *sides).transpose(0, 1).contiguous(), level)


class _StackedLinear(torch.autograd.Function):
    """[K, n, in] by [K, out, in] and [K, out], or no bias, to [K, n, out]."""

    @staticmethod
    def forward(
        ctx: Any, inputs: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        ctx.save_for_backward(inputs, weight)
        if bias is None:
            return torch.bmm(inputs, weight.mT)
        return torch.baddbmm(bias.unsqueeze(1), inputs, weight.mT)

    @staticmethod
    def backward(ctx: Any, back: torch.Tensor) -> Any:
        inputs, weight = ctx.saved_tensors
        wanted = ctx.needs_input_grad
        # The order in memory decides the order of sums.
        back = back.contiguous()
        return (
            torch.bmm(back, weight) if wanted[0] else None,
            torch.bmm(back.mT, inputs) if wanted[1] else None,
            back.sum(1) if wanted[2] else None,
        )


def _normed(
    inputs: torch.Tensor,
    mean: torch.Tensor,
    var: torch.Tensor,
    scale: torch.Tensor,
    shift: torch.Tensor,
    momentum: float,
    eps: float,
) -> torch.Tensor:
    return F.batch_norm(inputs, mean, var, scale, shift, True, momentum, eps)


# What torch.vmap is made of. A torch.autograd.Function with a vmap of its own would do, and doubles the time of a step.
def _level(*given: torch.Tensor | None) -> int | None:
    """Find the vmap that maps all of some tensors; None where one of them is not mapped."""
    levels = {
        torch._C._functorch.maybe_get_level(one) if torch._C._functorch.is_batchedtensor(one) else None
        for one in given
        if one is not None
    }
    return levels.pop() if len(levels) == 1 else None


def _stacked(mapped: Any) -> Any:
    """Take what is mapped as it is stacked, [K, ...]."""
    if mapped is None:
        return None
    place = torch._C._functorch.maybe_get_bdim(mapped)
    return torch._C._functorch.get_unwrapped(mapped).movedim(place, 0)


def _mapped(stacked: torch.Tensor, level: int) -> torch.Tensor:
    """Give what is stacked, [K, ...], to the vmap."""
    return torch._C._functorch._add_batch_dim(stacked, 0, level)
