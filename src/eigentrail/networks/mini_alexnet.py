"""The two miniAlexNets: S1's, whose count settles its kernels, and S0's, whose dense layers are given."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from eigentrail.networks.entry import COLOUR, Entry
from eigentrail.networks.images import image_sides, max_pool_same, pooled_side
from eigentrail.networks.initialization import glorot_uniform


class MiniAlexNet(nn.Module):
    """Two convolutions, each before a pool of 3 x 3, then dense layers 384, 192 and the number of classes.

    ReLU everywhere but behind the last layer. The pools take maxima and reach over the edges (`same`).

    Args:
        input_shape: [channels, height, width] of an image.
        classes: the number of classes.
        filters: of the two convolutions.
        kernels: their sides.
        same: True for convolutions that keep the size of the image, False for `valid` ones.
        stride: of the pools.
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        classes: int,
        filters: tuple[int, int],
        kernels: tuple[int, int],
        same: bool,
        stride: int,
    ) -> None:
        super().__init__()
        # Below this the second kernel would not lie inside what the first pool leaves.
        least = 1 if same else kernels[0] + stride * (kernels[1] - 1)
        channels, height, width = image_sides(input_shape, "miniAlexNet", least)
        padding = "same" if same else "valid"
        self.stride = stride
        self.conv1 = nn.Conv2d(channels, filters[0], kernels[0], padding=padding)
        self.conv2 = nn.Conv2d(filters[0], filters[1], kernels[1], padding=padding)
        for kernel in kernels:
            lost = 0 if same else kernel - 1
            height, width = (pooled_side(side - lost, stride) for side in (height, width))
        self.fc1 = nn.Linear(filters[1] * height * width, 384)
        self.fc2 = nn.Linear(384, 192)
        self.fc3 = nn.Linear(192, classes)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Compute the logits.

        Args:
            inputs: images, [batch, *input_shape].

        Returns:
            Logits, [batch, classes].
        """
        hidden = max_pool_same(torch.relu(self.conv1(inputs)), 3, self.stride)
        hidden = max_pool_same(torch.relu(self.conv2(hidden)), 3, self.stride).flatten(1)
        logits: torch.Tensor = self.fc3(torch.relu(self.fc2(torch.relu(self.fc1(hidden)))))
        return logits


def mini_alexnet_s1(input_shape: Sequence[int], classes: int) -> MiniAlexNet:
    """Build S1's miniAlexNet: Glorot uniform, biases zero (S1 5.2).

    300 filters of 5 x 5 and 150 of 3 x 3, both `valid`, pools of stride 3: 1,022,584 parameters for CIFAR-10, S1's
    1023 thousand. S1's text gives the second kernel as 5 x 5, which would make 1,125,150.

    Args:
        input_shape: [channels, height, width].
        classes: the number of classes.

    Returns:
        The network, drawn from torch's global random generator.
    """
    network = MiniAlexNet(input_shape, classes, (300, 150), (5, 3), same=False, stride=3)
    glorot_uniform(network)
    return network


def mini_alexnet_s0(input_shape: Sequence[int], classes: int) -> MiniAlexNet:
    """Build S0's miniAlexNet, whose dense matrices are 4096 x 384, 384 x 192 and 192 x 10 for CIFAR-10.

    S0 names no convolutions. 64 filters of 5 x 5 twice, `same`, with pools of stride 2 leave 64 x 8 x 8 = 4096
    numbers; 1,756,426 parameters. Glorot uniform, biases zero.

    Args:
        input_shape: [channels, height, width].
        classes: the number of classes.

    Returns:
        The network, drawn from torch's global random generator.
    """
    network = MiniAlexNet(input_shape, classes, (64, 64), (5, 5), same=True, stride=2)
    glorot_uniform(network)
    return network


def mini_alexnet_small(input_shape: Sequence[int], classes: int) -> MiniAlexNet:
    """Build S0's miniAlexNet with 16 filters in the first convolution and 3 x 3 in the second.

    Its dense layers are S0's. Nothing trains it any more; runs that were recorded with it are opened.

    Args:
        input_shape: [channels, height, width].
        classes: the number of classes.

    Returns:
        The network, drawn from torch's global random generator.
    """
    network = MiniAlexNet(input_shape, classes, (16, 64), (5, 3), same=True, stride=2)
    glorot_uniform(network)
    return network


NETWORKS = (
    Entry(
        "mini-alexnet-s1", mini_alexnet_s1, "miniAlexNet", "S1 5.2", COLOUR, 10, 1_022_584, "glorot-uniform",
        "the second kernel is 3 x 3 (the text's 5 x 5 would give 1,125,150 parameters), convolutions `valid`, pools of "
        "stride 3 reach over the edges; the pools take maxima",
    ),
    Entry(
        "mini-alexnet-s0", mini_alexnet_s0, "MiniAlexNet", "S0", COLOUR, 10, 1_756_426, "glorot-uniform",
        "64 filters of 5 x 5 in both convolutions, `same`, pools of 3 x 3 and stride 2: they leave the 4096 numbers of "
        "the source's 4096 x 384; Glorot uniform",
    ),
)  # fmt: skip

#: What recorded runs may call a network that has another name now, or that nothing trains any more.
RECORDED = {"mini-alexnet": mini_alexnet_s1, "mini-alexnet-small": mini_alexnet_small}
