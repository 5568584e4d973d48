"""S4's small vision transformer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from eigentrail.networks.attention import Layer
from eigentrail.networks.entry import COLOUR, TORCH, Entry
from eigentrail.networks.images import image_sides

PATCH, HEADS, LAYERS, DROPOUT = 4, 8, 6, 0.1
#: S4 gives no width: 32 numbers for each head, and twice as many in the dense part.
WIDTH, HIDDEN = 256, 512


class ViT(nn.Module):
    """Patches of 4 x 4 and a class token through 6 layers of 8 heads, then a dense layer (S4 B.1).

    Dosovitskiy et al. 2021, layer norm before each part. 3,195,146 parameters for CIFAR-10.

    Args:
        input_shape: [channels, height, width] of an image whose sides are multiples of 4.
        classes: the number of classes.
        width: of a token, a multiple of 8; S4 does not give it.
        hidden: the width between the dense layers; S4 does not give it.
    """

    def __init__(
        self, input_shape: Sequence[int], classes: int, width: int = WIDTH, hidden: int = HIDDEN
    ) -> None:
        super().__init__()
        channels, height, columns = image_sides(input_shape, "ViT", least=PATCH, multiple_of=PATCH)
        self.patches = nn.Conv2d(channels, width, PATCH, PATCH)
        count = (height // PATCH) * (columns // PATCH)
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(0.02 * torch.randn(1, count + 1, width))
        self.blocks = nn.Sequential(*(Layer(width, HEADS, hidden, DROPOUT) for _ in range(LAYERS)))
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


def vit(input_shape: Sequence[int], classes: int) -> ViT:
    """Build S4's ViT with the widths chosen here; torch's own initialisation, positions N(0, 0.02^2).

    Args:
        input_shape: [channels, height, width].
        classes: the number of classes.

    Returns:
        The network, drawn from torch's global random generator.
    """
    return ViT(input_shape, classes)


NETWORKS = (
    Entry(
        "vit", vit, "small ViT", "S4 B.1", COLOUR, 10, 3_195_146, "torch",
        f"width 256 (32 for each of the 8 heads), 512 between the dense layers; {TORCH}, positions N(0, 0.02^2)",
    ),
)  # fmt: skip
