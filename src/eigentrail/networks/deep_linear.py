"""S3's deep linear network."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import nn

from eigentrail.errors import OptionError
from eigentrail.networks.initialization import scaled_orthogonal


class DeepLinear(nn.Module):
    """f(x) = W_L ... W_1 x without biases: layers fc1, fc2, ..., all square but the last (S3, part 2).

    The weights begin orthogonal at a scale: W^T W = scale^2 I or W W^T = scale^2 I, depending on which side is longer.

    Args:
        input_shape: the shape of one sample; samples are flattened to d numbers.
        classes: the number of outputs.
        depth: L, the number of layers.
        scale: epsilon, all singular values of the initial weights.

    Raises:
        OptionError: a size or the scale is not positive.
    """

    def __init__(self, input_shape: Sequence[int], classes: int, depth: int, scale: float) -> None:
        super().__init__()
        if min([*input_shape, classes, depth], default=0) < 1 or not scale > 0:
            raise OptionError(
                f"a deep linear network of {depth} layers, inputs {tuple(input_shape)}, {classes} outputs and scale "
                f"{scale:g}: give positive numbers"
            )
        width = math.prod(input_shape)
        self.depth = depth
        for number, (inputs, outputs) in enumerate(itertools.pairwise([*[width] * depth, classes]), start=1):
            self.add_module(f"fc{number}", nn.Linear(inputs, outputs, bias=False))
        scaled_orthogonal(self, scale)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Compute the outputs.

        Args:
            inputs: samples, [batch, *input_shape].

        Returns:
            [batch, classes].
        """
        hidden = inputs.flatten(1)
        for number in range(1, self.depth + 1):
            hidden = self.get_submodule(f"fc{number}")(hidden)
        return hidden
