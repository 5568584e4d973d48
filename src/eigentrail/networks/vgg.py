"""VGG networks with batch norm: VGG-16, and any depth of the family at any width."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import nn

from eigentrail.errors import OptionError
from eigentrail.networks.entry import COLOUR, TORCH, Entry
from eigentrail.networks.images import image_sides

# Convolutions of each stage (Simonyan & Zisserman 2015), by the number of layers with weights there.
_STAGES = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
# Channels of each stage, as multiples of those of the first.
_CHANNELS = (1, 2, 4, 8, 8)


class VGG(nn.Module):
    """Convolutions of 3 x 3 in five stages, each with batch norm and ReLU, and one dense layer (S4 B.1).

    A pool of 2 x 2 ends each stage. S4 replaces dropout by batch norm and keeps a single dense layer. VGG-16 has
    14,728,266 parameters for CIFAR-10. S4 names no initialisation: torch's own, U(-1/sqrt n_in, 1/sqrt n_in).

    Args:
        input_shape: [channels, height, width] of an image of at least 32 x 32 pixels.
        classes: the number of classes.
        depth: 11, 13, 16 or 19, as Simonyan & Zisserman count, with three dense layers.
        width: the channels of the first stage, 64 in the sources; the last ones have eight times as many.

    Raises:
        OptionError: there is no VGG of this depth, the width is not positive, or the images are too small.
    """

    def __init__(self, input_shape: Sequence[int], classes: int, depth: int, width: int) -> None:
        super().__init__()
        if depth not in _STAGES or width < 1:
            raise OptionError(
                f"VGG-{depth}-{width}: give a depth of {', '.join(map(str, _STAGES))} and a positive width"
            )
        channels, height, columns = image_sides(input_shape, f"VGG-{depth}", least=2 ** len(_CHANNELS))
        layers: list[nn.Module] = []
        for count, times in zip(_STAGES[depth], _CHANNELS, strict=True):
            filters = times * width
            for _ in range(count):
                layers += [
                    nn.Conv2d(channels, filters, 3, padding=1), nn.BatchNorm2d(filters), nn.ReLU()
                ]  # fmt: skip
                channels = filters
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        shrunk = 2 ** len(_CHANNELS)
        self.classifier = nn.Linear(channels * (height // shrunk) * (columns // shrunk), classes)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Compute the logits.

        Args:
            inputs: images, [batch, *input_shape].

        Returns:
            Logits, [batch, classes].
        """
        logits: torch.Tensor = self.classifier(self.features(inputs).flatten(1))
        return logits


#: Built by name for any depth of the family and any width, "vgg-16-8".
FAMILIES = {"vgg": VGG}

NETWORKS = (
    Entry(
        "vgg16", partial(VGG, depth=16, width=64), "VGG-16 with batch norm", "S4 B.1", COLOUR, 10, 14_728_266, "torch",
        f"depth D and width of the first stage W by name, VGG-D-W; {TORCH}; convolutions have biases",
    ),
)  # fmt: skip
