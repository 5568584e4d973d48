"""S4's dense networks with batch norm: MLP-BN-L-H and RES-BN-L-H."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import torch
from torch import nn

from eigentrail.errors import OptionError
from eigentrail.networks.entry import COLOUR, TORCH, Entry


class BatchNormMLP(nn.Module):
    """MLP-BN-L-H: L hidden layers of width H, each dense, batch norm, ReLU; then a dense layer (S4 B.1).

    S4 names no initialisation: torch's own, U(-1/sqrt n_in, 1/sqrt n_in) for weights and biases.

    Args:
        input_shape: the shape of one sample.
        classes: the number of classes.
        depth: L, the number of hidden layers.
        width: H, their width.
    """

    def __init__(self, input_shape: Sequence[int], classes: int, depth: int, width: int) -> None:
        super().__init__()
        inputs = _inputs(input_shape, depth, width, "MLP-BN")
        self.depth = depth
        for number in range(1, depth + 1):
            self.add_module(f"fc{number}", nn.Linear(inputs if number == 1 else width, width))
            self.add_module(f"bn{number}", nn.BatchNorm1d(width))
        self.add_module(f"fc{depth + 1}", nn.Linear(width, classes))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Compute the logits.

        Args:
            inputs: samples, [batch, *input_shape].

        Returns:
            Logits, [batch, classes].
        """
        hidden = inputs.flatten(1)
        for number in range(1, self.depth + 1):
            dense, norm = self.get_submodule(f"fc{number}"), self.get_submodule(f"bn{number}")
            hidden = torch.relu(norm(dense(hidden)))
        logits: torch.Tensor = self.get_submodule(f"fc{self.depth + 1}")(hidden)
        return logits


class ResidualBlock(nn.Module):
    """z + relu(n2(W2 relu(n1(W1 z)))), n1 and n2 batch norms (S4 B.1).

    Args:
        width: H, of what comes in and leaves.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, width)
        self.bn1 = nn.BatchNorm1d(width)
        self.fc2 = nn.Linear(width, width)
        self.bn2 = nn.BatchNorm1d(width)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Compute the block.

        Args:
            inputs: [batch, width].

        Returns:
            [batch, width].
        """
        hidden = torch.relu(self.bn1(self.fc1(inputs)))
        return inputs + torch.relu(self.bn2(self.fc2(hidden)))


class BatchNormResidual(nn.Module):
    """RES-BN-L-H: a dense layer of width H, L residual blocks, a dense layer (S4 B.1).

    S4 names no initialisation: torch's own, U(-1/sqrt n_in, 1/sqrt n_in) for weights and biases.

    Args:
        input_shape: the shape of one sample.
        classes: the number of classes.
        depth: L, the number of blocks.
        width: H, their width.
    """

    def __init__(self, input_shape: Sequence[int], classes: int, depth: int, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(_inputs(input_shape, depth, width, "RES-BN"), width)
        self.blocks = nn.Sequential(*(ResidualBlock(width) for _ in range(depth)))
        self.last = nn.Linear(width, classes)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Compute the logits.

        Args:
            inputs: samples, [batch, *input_shape].

        Returns:
            Logits, [batch, classes].
        """
        logits: torch.Tensor = self.last(self.blocks(self.first(inputs.flatten(1))))
        return logits


def _inputs(input_shape: Sequence[int], depth: int, width: int, network: str) -> int:
    if min([*input_shape, depth, width], default=0) < 1:
        raise OptionError(
            f"{network}-{depth}-{width} for samples of shape {tuple(input_shape)}: give positive sizes"
        )
    return math.prod(input_shape)


#: Built by name for any depth and width, "mlp-bn-L-H".
FAMILIES = {"mlp-bn": BatchNormMLP, "res-bn": BatchNormResidual}

NETWORKS = (
    Entry(
        "mlp-bn-10-100", partial(BatchNormMLP, depth=10, width=100), "MLP-BN-10-100", "S4 B.1", COLOUR, 10, 401_210,
        "torch", f"any L and H by name; {TORCH}; dense layers have biases",
    ),
    Entry(
        "res-bn-5-500", partial(BatchNormResidual, depth=5, width=500), "RES-BN-5-500", "S4 B.1", COLOUR, 10,
        4_056_510, "torch",
        f"any L and H by name; {TORCH}; dense layers have biases; no batch norm before the blocks",
    ),
)  # fmt: skip
