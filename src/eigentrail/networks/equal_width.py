"""Plain deep networks of equal width, for questions about depth: MLP-L-H and LINEAR-L-H."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import torch
from torch import nn

from eigentrail.errors import OptionError
from eigentrail.networks.entry import Entry
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


#: Built by name for any depth and width, "mlp-L-H".
FAMILIES = {"mlp": deep_mlp, "linear": DeepLinearStack}

NETWORKS = (
    Entry(
        "mlp-8-100", partial(deep_mlp, depth=8, width=100), "MLP-8-100", "S3, part 3", (1, 28, 28), 10, 150_210,
        "he-normal",
        "any L and H by name: L hidden layers of width H with ReLU; the source names neither, nor the initialisation",
    ),
    Entry(
        "linear-8-100", partial(DeepLinearStack, depth=8, width=100), "LINEAR-8-100", "S3, part 3", (1, 28, 28), 10,
        149_400, "glorot-normal", "any L and H by name: MLP-L-H without ReLU and biases",
    ),
)  # fmt: skip
