"""S3's deep linear network."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import partial

import torch
from torch import nn

from eigentrail.errors import OptionError
from eigentrail.networks.entry import Entry
from eigentrail.networks.initialization import scaled_orthogonal


class DeepLinear(nn.Module):
    """f(x) = W_L ... W_1 x without biases: layers fc1, fc2, ..., all square but the last (S3, part 2).

    The weights begin orthogonal at a scale: W^T W = scale^2 I or W W^T = scale^2 I, depending on which side is longer.
    They are drawn and kept in double precision, in which the theorems about them hold to the last digit.

    Args:
        input_shape: the shape of one sample; samples are flattened to d numbers.
        classes: the number of outputs.
        depth: L, the number of layers.
        scale: epsilon, all singular values of the initial weights.
        hidden: the widths of the L - 1 hidden layers; None for d throughout.

    Raises:
        OptionError: a size or the scale is not positive.
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        classes: int,
        depth: int,
        scale: float = 0.1,
        hidden: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        if min([*input_shape, classes, depth], default=0) < 1 or not scale > 0:
            raise OptionError(
                f"a deep linear network of {depth} layers, inputs {tuple(input_shape)}, {classes} outputs and scale "
                f"{scale:g}: give positive numbers"
            )
        width = math.prod(input_shape)
        inner = [width] * (depth - 1) if hidden is None else list(hidden)
        if len(inner) != depth - 1 or min(inner, default=1) < 1:
            raise OptionError(
                f"hidden widths {tuple(inner)} for {depth} layers: give one positive number for each layer but the last"
            )
        self.depth = depth
        for number, (inputs, outputs) in enumerate(itertools.pairwise([width, *inner, classes]), start=1):
            self.add_module(f"fc{number}", nn.Linear(inputs, outputs, bias=False, dtype=torch.float64))
        scaled_orthogonal(self, scale)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Compute the outputs.

        Args:
            inputs: samples, [batch, *input_shape].

        Returns:
            [batch, classes], in the precision of the weights.
        """
        hidden = inputs.flatten(1).to(next(self.parameters()).dtype)
        for number in range(1, self.depth + 1):
            hidden = self.get_submodule(f"fc{number}")(hidden)
        return hidden


NETWORKS = (
    Entry(
        "deep-linear", partial(DeepLinear, depth=3, scale=0.1), "deep linear network", "S3", (30,), 30, 2700,
        "orthogonal",
        "three layers and 30 inputs and outputs as in the figures, scale 0.1, which the source leaves open",
    ),
)  # fmt: skip
