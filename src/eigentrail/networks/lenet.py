"""S1's LeNet."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from eigentrail.networks.entry import COLOUR, Entry
from eigentrail.networks.images import image_sides
from eigentrail.networks.initialization import glorot_normal


class LeNet(nn.Module):
    """Two convolutions of 5 x 5 with 6 and 16 filters, each before a pool of 2 x 2, then dense layers 120, 84, classes.

    Both convolutions keep the size of the image (`same`): only so has the network the 137 thousand parameters that
    S1's table 5.1 counts. ReLU everywhere but behind the last layer. The pools take maxima; S1 does not say.

    Args:
        input_shape: [channels, height, width] of an image of at least 4 x 4 pixels.
        classes: the number of classes.
    """

    def __init__(self, input_shape: Sequence[int], classes: int) -> None:
        super().__init__()
        channels, height, width = image_sides(input_shape, "LeNet", least=4)
        self.conv1 = nn.Conv2d(channels, 6, 5, padding="same")
        self.conv2 = nn.Conv2d(6, 16, 5, padding="same")
        self.fc1 = nn.Linear(16 * (height // 4) * (width // 4), 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, classes)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Compute the logits.

        Args:
            inputs: images, [batch, *input_shape].

        Returns:
            Logits, [batch, classes].
        """
        hidden = F.max_pool2d(torch.relu(self.conv1(inputs)), 2)
        hidden = F.max_pool2d(torch.relu(self.conv2(hidden)), 2).flatten(1)
        logits: torch.Tensor = self.fc3(torch.relu(self.fc2(torch.relu(self.fc1(hidden)))))
        return logits


def lenet(input_shape: Sequence[int], classes: int) -> LeNet:
    """Build S1's LeNet: Glorot normal, biases zero (S1 5.2). 136,886 parameters for CIFAR-10.

    Args:
        input_shape: [channels, height, width].
        classes: the number of classes.

    Returns:
        The network, drawn from torch's global random generator.
    """
    network = LeNet(input_shape, classes)
    glorot_normal(network)
    return network


NETWORKS = (
    Entry(
        "lenet", lenet, "LeNet", "S1 5.2", COLOUR, 10, 136_886, "glorot-normal",
        "the second convolution keeps the image's size (`valid` would give 83,126 parameters); the pools take maxima",
    ),
)  # fmt: skip
