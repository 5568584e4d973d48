"""What the networks for images share: the check of their input, and pooling that keeps the edges."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional as F

from eigentrail.errors import OptionError


def image_sides(
    input_shape: Sequence[int], network: str, least: int, multiple_of: int = 1
) -> tuple[int, int, int]:
    """Make sure that a network can take images of a shape.

    Args:
        input_shape: the shape of one sample.
        network: what the network is called, for the error.
        least: the smallest height and width it can take, in pixels.
        multiple_of: what height and width must be multiples of.

    Returns:
        Channels, height and width.

    Raises:
        OptionError: samples are no images [channels, height, width], or have another size than the network takes.
    """
    shape = tuple(int(side) for side in input_shape)
    if len(shape) != 3 or min(shape) < 1:
        raise OptionError(
            f"{network} takes images [channels, height, width], not samples of shape {shape}: choose an MLP for those"
        )
    channels, height, width = shape
    if min(height, width) < least or height % multiple_of or width % multiple_of:
        sides = f"of at least {least} x {least} pixels"
        if multiple_of > 1:
            sides += f" whose sides are multiples of {multiple_of}"
        raise OptionError(
            f"{network} takes images {sides}, not {height} x {width}: choose another network or resize the images"
        )
    return channels, height, width


def max_pool_same(inputs: torch.Tensor, kernel: int, stride: int) -> torch.Tensor:
    """Take maxima over windows so that a side n becomes ceil(n / stride), as TensorFlow's `same` does.

    What the windows lack is shared between both edges, the end taking the odd one; it never is a maximum.

    Args:
        inputs: images, [batch, channels, height, width].
        kernel: the side of a window.
        stride: from one window to the next.

    Returns:
        Images, [batch, channels, ceil(height / stride), ceil(width / stride)].
    """
    lacking = [max((pooled_side(side, stride) - 1) * stride + kernel - side, 0) for side in inputs.shape[2:]]
    (above, below), (left, right) = ((each // 2, each - each // 2) for each in lacking)
    padded = F.pad(inputs, (left, right, above, below), value=-torch.inf)
    return F.max_pool2d(padded, kernel, stride)


def pooled_side(side: int, stride: int) -> int:
    """Give the side of what `max_pool_same` returns.

    Args:
        side: of its input.
        stride: from one window to the next.

    Returns:
        ceil(side / stride).
    """
    return -(-side // stride)
