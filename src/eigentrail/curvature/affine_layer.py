"""A Linear layer or a convolution as what both are: outputs z = W a, linear in W, at every position of a sample."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import nn
from torch.nn import functional as F

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


@dataclass(frozen=True)
class AffineLayer:
    """The layer that the chosen parameters belong to, as z[.., o] = sum_i W[o, i] a[.., g(o), i].

    For a Linear layer a is the input; for a convolution it is the patch that the kernel sees at a position, and g(o) is
    the group of channel o (one group for a Linear layer). With the bias among the chosen parameters, a has a 1 as its
    last entry, and W the bias as its last column.

    Attributes:
        module: an `nn.Linear`, or a convolution over one, two or three axes.
        weight: whether the weight is among the chosen parameters.
        bias: whether the bias is.
    """

    module: nn.Module
    weight: bool
    bias: bool

    @property
    def out(self) -> int:
        """Number of outputs (channels) at a position."""
        module: Any = self.module
        return int(module.out_features if isinstance(module, nn.Linear) else module.out_channels)

    @property
    def groups(self) -> int:
        """Number of groups of channels; 1 for a Linear layer."""
        return 1 if isinstance(self.module, nn.Linear) else int(self.module.groups)  # type: ignore[arg-type]

    @property
    def columns(self) -> int:
        """Number of columns of W that belong to the chosen weight; 0 without it."""
        if not self.weight:
            return 0
        weight: Any = self.module.weight
        return int(math.prod(weight.shape[1:]))

    @property
    def inputs(self) -> int:
        """Length of a, the bias's 1 included."""
        return self.columns + self.bias

    @property
    def axes(self) -> int:
        """Number of axes that an input has without its batch; 1 for a Linear layer at least."""
        module: Any = self.module
        return 1 if isinstance(module, nn.Linear) else len(module.kernel_size) + 1

    def rows(self, outputs: torch.Tensor) -> torch.Tensor:
        """Bring the channels behind the positions.

        Args:
            outputs: the layer's outputs z, [.., out] or [batch, out, *positions], with any axes in front counted by
                `outputs.ndim`.

        Returns:
            A view [.., *positions, out].
        """
        return outputs if isinstance(self.module, nn.Linear) else outputs.movedim(-self.axes, -1)

    def outputs(self, rows: torch.Tensor) -> torch.Tensor:
        """Undo `rows`.

        Args:
            rows: [.., *positions, out].

        Returns:
            A view in the layout of the layer's outputs.
        """
        return rows if isinstance(self.module, nn.Linear) else rows.movedim(-1, -self.axes)

    def patches(self, inputs: Float[torch.Tensor, "..."]) -> Float[torch.Tensor, "..."]:
        """Give what the layer multiplies W with.

        Args:
            inputs: the layer's input, [.., in] or [batch, channels, *space].

        Returns:
            a, [.., *positions, groups, inputs].
        """
        module: Any = self.module
        if not self.weight:
            shape = (
                inputs.shape[:-1]
                if isinstance(module, nn.Linear)
                else (len(inputs), *_positions(module, inputs.shape[2:]))
            )
            return inputs.new_ones((*shape, self.groups, 1))
        found = inputs.unsqueeze(-2) if isinstance(module, nn.Linear) else _unfold(module, inputs)
        return F.pad(found, (0, 1), value=1.0) if self.bias else found


def owner(model: nn.Module, names: Sequence[str]) -> AffineLayer | None:
    """Find the layer that all the named parameters belong to.

    Args:
        model: the network.
        names: the chosen parameters, in `named_parameters` order.

    Returns:
        The layer, or None when they belong to several modules, or to one that is neither a Linear layer nor a
        convolution with its own forward pass.
    """
    prefixes = {name.rpartition(".")[0] for name in names}
    kinds = {name.rpartition(".")[2] for name in names}
    if len(prefixes) != 1 or not kinds <= {"weight", "bias"}:
        return None
    module = model.get_submodule(prefixes.pop())
    kind: Any = next((one for one in (nn.Linear, *_CONVOLUTIONS) if isinstance(module, one)), None)
    # A subclass that changes the pass, or how a convolution computes it, may do anything with its weight.
    changed: Any = type(module)
    if kind is None or changed.forward is not kind.forward:
        return None
    if kind is not nn.Linear and changed._conv_forward is not kind._conv_forward:
        return None
    return AffineLayer(module, weight="weight" in kinds, bias="bias" in kinds)


def _padding(module: Any) -> list[tuple[int, int]]:
    """Give the padding before and behind each axis."""
    if module.padding == "same":
        # As torch does: the odd one goes behind.
        whole = [d * (k - 1) for d, k in zip(module.dilation, module.kernel_size, strict=True)]
        return [(one // 2, one - one // 2) for one in whole]
    if module.padding == "valid":
        return [(0, 0) for _ in module.kernel_size]
    return [(one, one) for one in module.padding]


def _positions(module: Any, space: Sequence[int]) -> tuple[int, ...]:
    """Give the number of positions along each axis."""
    spans = [d * (k - 1) + 1 for d, k in zip(module.dilation, module.kernel_size, strict=True)]
    return tuple(
        (size + sum(pad) - span) // stride + 1
        for size, pad, span, stride in zip(space, _padding(module), spans, module.stride, strict=True)
    )


def _unfold(module: Any, inputs: torch.Tensor) -> torch.Tensor:
    """Give the patches [batch, *positions, groups, channels of the group * kernel]; channels count slowest."""
    mode = "constant" if module.padding_mode == "zeros" else module.padding_mode
    pads = [one for pair in reversed(_padding(module)) for one in pair]
    space = inputs.ndim - 2
    found = F.pad(inputs, pads, mode=mode) if any(pads) else inputs
    for axis, (size, stride, dilation) in enumerate(
        zip(module.kernel_size, module.stride, module.dilation, strict=True), start=2
    ):
        found = found.unfold(axis, dilation * (size - 1) + 1, stride)[..., ::dilation]
    # [batch, channels, *positions, *kernel] with the channels brought in front of the kernel.
    found = found.movedim(1, 1 + space)
    batch, *rest = found.shape
    positions = rest[:space]
    return found.reshape(batch, *positions, module.groups, -1)
