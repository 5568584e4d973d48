"""Multilayer perceptrons."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import nn

from eigentrail.errors import OptionError
from eigentrail.networks.entry import COLOUR, Entry
from eigentrail.networks.initialization import glorot_uniform


class MLP(nn.Module):
    """Dense layers fc1, fc2, ... with ReLU after each but the last, whose outputs are logits.

    Inputs of any shape are flattened row-major, so an image of [channels, height, width] enters channel by channel.
    The sources print a softmax behind the last layer; it is part of the cross-entropy here.

    Args:
        input_shape: the shape of one sample.
        widths: the number of outputs of each layer; the last is the number of classes.

    Raises:
        OptionError: a width or a side of the input is not positive.
    """

    def __init__(self, input_shape: Sequence[int], widths: Sequence[int]) -> None:
        super().__init__()
        if not widths or min([*input_shape, *widths], default=0) < 1:
            raise OptionError(
                f"an MLP of inputs {tuple(input_shape)} and widths {tuple(widths)}: give positive sizes"
            )
        sizes = [math.prod(input_shape), *widths]
        self.depth = len(widths)
        for number, (inputs, outputs) in enumerate(itertools.pairwise(sizes), start=1):
            self.add_module(f"fc{number}", nn.Linear(inputs, outputs))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Compute the logits.

        Args:
            inputs: samples, [batch, *input_shape].

        Returns:
            Logits, [batch, classes].
        """
        hidden = inputs.flatten(1)
        for number in range(1, self.depth):
            hidden = torch.relu(self.get_submodule(f"fc{number}")(hidden))
        logits: torch.Tensor = self.get_submodule(f"fc{self.depth}")(hidden)
        return logits


def mlp50(input_shape: Sequence[int], classes: int) -> MLP:
    """Build S1's MLP 50: widths 50, 50 and the number of classes, Glorot uniform, biases zero (S1 5.2).

    42,310 parameters for MNIST's 784 inputs and 10 classes.

    Args:
        input_shape: the shape of one sample.
        classes: the number of classes.

    Returns:
        The network, drawn from torch's global random generator.
    """
    network = MLP(input_shape, (50, 50, classes))
    glorot_uniform(network)
    return network


def mlp256(input_shape: Sequence[int], classes: int) -> MLP:
    """Build S1's MLP 256: widths 256, 128, 64 and the number of classes, Glorot uniform, biases zero (S1 5.2).

    828,490 parameters for CIFAR-10's 3072 inputs and 10 classes. Its 128 x 64 layer is `fc3.weight`.

    Args:
        input_shape: the shape of one sample.
        classes: the number of classes.

    Returns:
        The network, drawn from torch's global random generator.
    """
    network = MLP(input_shape, (256, 128, 64, classes))
    glorot_uniform(network)
    return network


NETWORKS = (
    Entry("mlp50", mlp50, "MLP 50", "S1 5.2", (1, 28, 28), 10, 42_310),
    Entry("mlp256", mlp256, "MLP 256", "S1 5.2", COLOUR, 10, 828_490),
)
