"""Plain deep networks of equal width, for questions about depth: MLP-L-H and LINEAR-L-H."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from eigentrail.errors import OptionError
from eigentrail.networks.initialization import glorot_normal, he_normal
from eigentrail.networks.mlp import MLP


def deep_mlp(input_shape: Sequence[int], classes: int, depth: int, width: int) -> MLP:
    """Build MLP-L-H: L hidden layers of width H with ReLU, then a dense layer (S3, part 3; He and Su 2022).

    He normal, which keeps the size of features from layer to layer; biases zero.

    Args:
        input_shape: the shape of one sample.
        classes: the number of classes.
        depth: L, the number of hidden layers.
        width: H, their width.

    Returns:
        The network, drawn from torch's global random generator.
    """
    _check("MLP", input_shape, depth, width)
    network = MLP(input_shape, (*[width] * depth, classes))
    he_normal(network)
    return network


class DeepLinearStack(nn.Module):
    """LINEAR-L-H: L dense layers of width H without activations or biases, then another (S3, part 3).

    Layers are called fc1, fc2, ... as in MLP-L-H. Glorot normal, which keeps the size of features from layer to layer.

    Args:
        input_shape: the shape of one sample.
        classes: the number of classes.
        depth: L, the number of hidden layers.
        width: H, their width.
    """

    def __init__(self, input_shape: Sequence[int], classes: int, depth: int, width: int) -> None:
        super().__init__()
        _check("LINEAR", input_shape, depth, width)
        sizes = [math.prod(input_shape), *[width] * depth, classes]
        self.depth = depth + 1
        for number in range(1, self.depth + 1):
            self.add_module(f"fc{number}", nn.Linear(sizes[number - 1], sizes[number], bias=False))
        glorot_normal(self)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Compute the logits.

        Args:
            inputs: samples, [batch, *input_shape].

        Returns:
            Logits, [batch, classes].
        """
        hidden = inputs.flatten(1)
        for number in range(1, self.depth + 1):
            hidden = self.get_submodule(f"fc{number}")(hidden)
        return hidden


def _check(network: str, input_shape: Sequence[int], depth: int, width: int) -> None:
    if min([*input_shape, depth, width], default=0) < 1:
        raise OptionError(
            f"{network}-{depth}-{width} for samples of shape {tuple(input_shape)}: give positive sizes"
        )
