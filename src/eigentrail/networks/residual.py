"""Residual networks for small images: ResNet-20 and ResNet-56 in both forms, ResNet-18 at any width."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

from eigentrail.errors import OptionError
from eigentrail.networks.entry import COLOUR, TORCH, Entry
from eigentrail.networks.images import image_sides
from eigentrail.networks.initialization import glorot_normal, he_normal


class Subsample(nn.Module):
    """A shortcut without parameters: every second pixel, new channels zero on both sides (He et al. 2016, option A).

    Args:
        inputs: the channels that come in.
        outputs: the channels that leave.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.added = outputs - inputs

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Take every second pixel and add channels of zeros.

        Args:
            inputs: [batch, channels, height, width].

        Returns:
            [batch, more channels, ceil(height / 2), ceil(width / 2)].
        """
        before = self.added // 2
        return F.pad(inputs[:, :, ::2, ::2], (0, 0, 0, 0, before, self.added - before))


class Block(nn.Module):
    """Two convolutions of 3 x 3 with batch norm, added to what came in, then ReLU.

    Args:
        inputs: the channels that come in.
        outputs: the channels that leave.
        stride: of the first convolution.
        projection: True for a shortcut of a 1 x 1 convolution and batch norm where sizes change, False for
            `Subsample`.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, projection: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.shortcut = (
                nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
                if projection
                else Subsample(inputs, outputs)
            )

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Compute the block.

        Args:
            inputs: [batch, channels, height, width].

        Returns:
            [batch, channels, height / stride, width / stride].
        """
        hidden = torch.relu(self.bn1(self.conv1(inputs)))
        added: torch.Tensor = self.bn2(self.conv2(hidden)) + self.shortcut(inputs)
        return torch.relu(added)


class ResNet(nn.Module):
    """A convolution of 3 x 3 with batch norm, stages of blocks, the mean over pixels, and a dense layer.

    Each stage but the first halves the image. Convolutions have no biases. Parameters are called as in the common
    implementations for CIFAR-10 (`layer1.0.conv1.weight`), so that published checkpoints load.

    Args:
        input_shape: [channels, height, width].
        classes: the number of classes.
        widths: the channels of each stage.
        blocks: the number of blocks in a stage.
        projection: the shortcut where sizes change, as in `Block`.
    """

    def __init__(
        self, input_shape: Sequence[int], classes: int, widths: Sequence[int], blocks: int, projection: bool
    ) -> None:
        super().__init__()
        channels, _, _ = image_sides(input_shape, "ResNet", least=2 ** (len(widths) - 1))
        self.conv1 = nn.Conv2d(channels, widths[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        before = widths[0]
        self.stages = len(widths)
        for number, width in enumerate(widths, start=1):
            stage = []
            for place in range(blocks):
                stride = 2 if number > 1 and place == 0 else 1
                stage.append(Block(before, width, stride, projection))
                before = width
            self.add_module(f"layer{number}", nn.Sequential(*stage))
        self.linear = nn.Linear(before, classes)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Compute the logits.

        Args:
            inputs: images, [batch, *input_shape].

        Returns:
            Logits, [batch, classes].
        """
        hidden = torch.relu(self.bn1(self.conv1(inputs)))
        for number in range(1, self.stages + 1):
            hidden = self.get_submodule(f"layer{number}")(hidden)
        logits: torch.Tensor = self.linear(hidden.mean((2, 3)))
        return logits


def resnet20(input_shape: Sequence[int], classes: int) -> ResNet:
    """Build ResNet-20 with shortcuts that have no parameters (He et al. 2016, option A): He normal, bias zero.

    269,722 parameters for CIFAR-10.

    Args:
        input_shape: [channels, height, width].
        classes: the number of classes.

    Returns:
        The network, drawn from torch's global random generator.
    """
    network = ResNet(input_shape, classes, (16, 32, 64), 3, projection=False)
    he_normal(network)
    return network


def resnet56(input_shape: Sequence[int], classes: int) -> ResNet:
    """Build ResNet-56 with shortcuts that have no parameters (He et al. 2016, option A): He normal, bias zero.

    853,018 parameters for CIFAR-10.

    Args:
        input_shape: [channels, height, width].
        classes: the number of classes.

    Returns:
        The network, drawn from torch's global random generator.
    """
    network = ResNet(input_shape, classes, (16, 32, 64), 9, projection=False)
    he_normal(network)
    return network


def resnet20_projection(input_shape: Sequence[int], classes: int) -> ResNet:
    """Build S1's ResNet-20: 22 layers with weights, two of them 1 x 1 shortcuts; Glorot normal, bias zero (S1 5.2).

    272,474 parameters for CIFAR-10, S1's 272 thousand, which leaves no room for biases of the convolutions.

    Args:
        input_shape: [channels, height, width].
        classes: the number of classes.

    Returns:
        The network, drawn from torch's global random generator.
    """
    network = ResNet(input_shape, classes, (16, 32, 64), 3, projection=True)
    glorot_normal(network)
    return network


def resnet(input_shape: Sequence[int], classes: int, depth: int, width: int) -> ResNet:
    """Build ResNet-18 or one of its kind in its form for small images (S4 5): no pool behind the first convolution.

    That is of 3 x 3; four stages of equally many blocks follow, each with twice the channels of the one before it.
    ResNet-18 of width 64 has 11,173,962 parameters for CIFAR-10. S4 names no initialisation: torch's own,
    U(-1/sqrt n_in, 1/sqrt n_in).

    Args:
        input_shape: [channels, height, width].
        classes: the number of classes.
        depth: 10, 18 or 26 layers: one, two or three blocks a stage.
        width: the channels of the first stage, 64 in S4.

    Returns:
        The network, drawn from torch's global random generator.

    Raises:
        OptionError: there is none of this depth, or the width is not positive.
    """
    if depth not in {10, 18, 26} or width < 1:
        raise OptionError(f"ResNet-{depth}-{width}: give a depth of 10, 18 or 26 and a positive width")
    stages = (width, 2 * width, 4 * width, 8 * width)
    return ResNet(input_shape, classes, stages, (depth - 2) // 8, projection=True)


_OPTION_A = "shortcuts without parameters: the form of the public checkpoints"

#: Built by name for any width, "resnet-18-8".
FAMILIES = {"resnet": resnet}

NETWORKS = (
    Entry(
        "resnet20", resnet20, "ResNet-20, option A", "He et al. 2016", COLOUR, 10, 269_722, "he-normal", _OPTION_A
    ),
    Entry(
        "resnet20-projection", resnet20_projection, "ResNet 20", "S1 5.2", COLOUR, 10, 272_474, "glorot-normal",
        "two 1 x 1 shortcuts with batch norm make the table's 22 layers; convolutions without biases make its 272k",
    ),
    Entry(
        "resnet56", resnet56, "ResNet-56, option A", "He et al. 2016", COLOUR, 10, 853_018, "he-normal", _OPTION_A
    ),
    Entry(
        "resnet18", partial(resnet, depth=18, width=64), "ResNet-18", "S4 5", COLOUR, 10, 11_173_962, "torch",
        "depth D and width of the first stage W by name, ResNet-D-W; "
        f"the form for small images: first convolution 3 x 3, no pool behind it; {TORCH}",
    ),
)  # fmt: skip
