"""Convolution kernels as matrices, and stored precisions as ones that linear algebra takes.

A kernel [out, in / groups, *kernel] becomes matrices in one of three ways:

* `flatten`: one matrix [out, in * prod(kernel)], the linear map on unfolded patches (the default);
* `spatial`: with the axes in the order (*kernel, in, out), all kernel axes together are the rows and the two
  channel axes together the columns: [prod(kernel), in * out];
* `slices`: one matrix [out, in] per position in the kernel, pooled (as WeightWatcher sees convolutions).

Every group of a grouped convolution is a matrix of its own in the pool. Where a way would leave only single
rows or columns, which have no spectrum, the kernel is seen as `flatten` (depthwise: all filters together)
and a note says so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from eigentrail.errors import LayerError, OptionError

if TYPE_CHECKING:
    from torch import Tensor

ConvolutionMode = Literal["flatten", "spatial", "slices"]


def check_mode(mode: str) -> None:
    """Refuse a way of seeing convolutions that does not exist.

    Args:
        mode: what the user asked for.

    Raises:
        OptionError: it is none of `flatten`, `spatial`, `slices`.
    """
    if mode not in get_args(ConvolutionMode):
        ways = ", ".join(get_args(ConvolutionMode))
        raise OptionError(
            f"conv={mode!r} is no way of seeing a convolution as matrices; choose one of {ways}."
        )


def upcast(tensor: Tensor) -> Tensor:
    """Bring half and eighth precisions to float32; float32 and float64 stay as they are.

    Args:
        tensor: floating numbers of any shape and precision.

    Returns:
        The same numbers in at least float32, detached from any graph.
    """
    tensor = tensor.detach()
    return tensor.float() if tensor.element_size() < 4 else tensor


@dataclass(frozen=True)
class ConvolutionView:
    """How one convolution kernel is seen as matrices.

    Attributes:
        shape: the stored shape, [out, in / groups, *kernel], or [in, out / groups, *kernel] if transposed.
        mode: the way really taken (see the module's text).
        groups: the number of matrices that the channels are cut into.
        transposed: the kernel is stored with the input channels first.
        note: why this is not what was asked for, or None.
    """

    shape: tuple[int, ...]
    mode: str
    groups: int
    transposed: bool
    note: str | None

    @property
    def channels(self) -> tuple[int, int]:
        """Output and input channels of one group."""
        first, second = self.shape[0] // self.groups, self.shape[1]
        return (second, first) if self.transposed else (first, second)

    @property
    def matrices(self) -> tuple[int, int, int]:
        """Number of matrices, their rows and their columns."""
        out, into = self.channels
        positions = math.prod(self.shape[2:])
        if self.mode == "slices":
            return self.groups * positions, out, into
        if self.mode == "spatial":
            return self.groups, positions, into * out
        return self.groups, out, into * positions

    def __call__(self, kernel: Tensor) -> Tensor:
        """See a kernel as matrices.

        Args:
            kernel: the stored tensor, of shape `shape`.

        Returns:
            [rows, cols] for one matrix, [matrices, rows, cols] for several.
        """
        import torch

        split = torch.unflatten(kernel, 0, (self.groups, -1)).flatten(3)  # [groups, out, in, positions]
        if self.transposed:
            split = split.transpose(1, 2)
        if self.mode == "slices":
            seen = split.permute(0, 3, 1, 2).flatten(0, 1)
        elif self.mode == "spatial":
            seen = split.permute(0, 3, 2, 1).flatten(2)
        else:
            seen = split.flatten(2)
        return seen[0] if seen.shape[0] == 1 else seen


def view_convolution(
    shape: tuple[int, ...], mode: str = "flatten", *, groups: int = 1, transposed: bool = False
) -> ConvolutionView:
    """Decide how a convolution kernel of this shape is seen.

    Args:
        shape: the stored shape, [out, in / groups, *kernel], or [in, out / groups, *kernel] if transposed.
        mode: "flatten", "spatial" or "slices".
        groups: the convolution's groups, 1 where they are not known.
        transposed: the kernel is stored with the input channels first.

    Returns:
        A view with the way really taken, callable on the kernel.

    Raises:
        LayerError: the groups do not divide the channels.
    """
    check_mode(mode)
    if groups < 1 or shape[0] % groups:
        raise LayerError(
            f"a convolution kernel {list(shape)} cannot have {groups} groups: they must divide {shape[0]}."
        )
    view = ConvolutionView(shape, mode, groups, transposed, None)
    _, rows, cols = view.matrices
    if min(rows, cols) > 1:
        return view
    flat = ConvolutionView(shape, "flatten", groups, transposed, None)
    if min(flat.matrices[1:]) > 1:
        return ConvolutionView(
            shape, "flatten", groups, transposed, f"seen as flatten: {mode} leaves single vectors"
        )
    depthwise = shape[1] == 1 and math.prod(shape[2:]) > 1
    # Stored [channels, multiplier or 1, ...]: without the cut into groups each filter is one row.
    together = ConvolutionView(shape, "flatten", 1, transposed and not depthwise, None)
    if min(together.matrices[1:]) <= 1:
        return flat
    kind = "depthwise" if depthwise else f"{groups} groups of single filters"
    return ConvolutionView(*_fields(together), f"{kind}: all filters together as one matrix [filters, taps]")


def _fields(view: ConvolutionView) -> tuple[tuple[int, ...], str, int, bool]:
    return view.shape, view.mode, view.groups, view.transposed
