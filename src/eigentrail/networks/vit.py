"""S4's small vision transformer, and any number of its layers at any width."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import nn

from eigentrail.errors import OptionError
from eigentrail.networks.attention import Layer
from eigentrail.networks.entry import COLOUR, TORCH, Entry
from eigentrail.networks.images import image_sides

PATCH, HEADS, DROPOUT = 4, 8, 0.1


class ViT(nn.Module):
    """Patches of 4 x 4 and a class token through layers of 8 heads, then a dense layer (S4 B.1).

    Dosovitskiy et al. 2021, layer norm before each part; torch's own initialisation, positions N(0, 0.02^2). S4's has
    6 layers and names no width: 256 here, 32 numbers for each head, and twice as many between the dense layers;
    3,195,146 parameters for CIFAR-10.

    Args:
        input_shape: [channels, height, width] of an image whose sides are multiples of 4.
        classes: the number of classes.
        depth: the number of layers.
        width: of a token, a multiple of 8.

    Raises:
        OptionError: there is no layer, the width is no multiple of 8, or the images cannot be cut.
    """

    def __init__(self, input_shape: Sequence[int], classes: int, depth: int, width: int) -> None:
        super().__init__()
        if depth < 1 or width < HEADS or width % HEADS:
            raise OptionError(
                f"ViT-{depth}-{width}: give one layer or more and a width that is a multiple of {HEADS}"
            )
        channels, height, columns = image_sides(input_shape, "ViT", least=PATCH, multiple_of=PATCH)
        self.patches = nn.Conv2d(channels, width, PATCH, PATCH)
        count = (height // PATCH) * (columns // PATCH)
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(0.02 * torch.randn(1, count + 1, width))
        self.blocks = nn.Sequential(*(Layer(width, HEADS, 2 * width, DROPOUT) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Compute the logits.

        Args:
            inputs: images, [batch, *input_shape].

        Returns:
            Logits, [batch, classes].
        """
        tokens = self.patches(inputs).flatten(2).transpose(1, 2)
        tokens = torch.cat((self.class_token.expand(len(tokens), -1, -1), tokens), 1) + self.positions
        logits: torch.Tensor = self.head(self.norm(self.blocks(tokens))[:, 0])
        return logits


#: Built by name for any depth and width, "vit-6-32".
FAMILIES = {"vit": ViT}

NETWORKS = (
    Entry(
        "vit", partial(ViT, depth=6, width=256), "small ViT", "S4 B.1", COLOUR, 10, 3_195_146, "torch",
        "layers L and width W by name, ViT-L-W; "
        f"width 256 (32 for each of the 8 heads), 512 between the dense layers; {TORCH}, positions N(0, 0.02^2)",
    ),
)  # fmt: skip
