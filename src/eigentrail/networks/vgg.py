"""VGG-16 with batch norm."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from eigentrail.networks.entry import COLOUR, TORCH, Entry
from eigentrail.networks.images import image_sides

_STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


class VGG16(nn.Module):
    """Thirteen convolutions of 3 x 3 in five stages, each with batch norm and ReLU, and one dense layer (S4 B.1).

    A pool of 2 x 2 ends each stage. S4 replaces dropout by batch norm and keeps a single dense layer. 14,728,266
    parameters for CIFAR-10. S4 names no initialisation: torch's own, U(-1/sqrt n_in, 1/sqrt n_in).

    Args:
        input_shape: [channels, height, width] of an image of at least 32 x 32 pixels.
        classes: the number of classes.
    """

    def __init__(self, input_shape: Sequence[int], classes: int) -> None:
        super().__init__()
        channels, height, width = image_sides(input_shape, "VGG-16", least=2 ** len(_STAGES))
        layers: list[nn.Module] = []
        for stage in _STAGES:
            for filters in stage:
                layers += [
                    nn.Conv2d(channels, filters, 3, padding=1), nn.BatchNorm2d(filters), nn.ReLU()
                ]  # fmt: skip
                channels = filters
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        shrunk = 2 ** len(_STAGES)
        self.classifier = nn.Linear(channels * (height // shrunk) * (width // shrunk), classes)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Compute the logits.

        Args:
            inputs: images, [batch, *input_shape].

        Returns:
            Logits, [batch, classes].
        """
        logits: torch.Tensor = self.classifier(self.features(inputs).flatten(1))
        return logits


NETWORKS = (
    Entry(
        "vgg16", VGG16, "VGG-16 with batch norm", "S4 B.1", COLOUR, 10, 14_728_266, "torch",
        f"{TORCH}; convolutions have biases",
    ),
)  # fmt: skip
