"""Small language models by name: GPT-L-H-D."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import nn

from eigentrail.errors import OptionError
from eigentrail.networks.attention import Layer
from eigentrail.networks.entry import TORCH, Entry

_EMBEDDED = 0.02


class GPT(nn.Module):
    """GPT-L-H-D: numbers of tokens through L causal layers of H heads and width D, then a dense layer.

    Radford et al. 2019: learned positions, layer norm before each part and behind the last layer, GELU, 4 D between the
    dense layers. The head is not tied to the embedding, and nothing is dropped.

    Args:
        input_shape: [positions] of a sequence.
        classes: the number of tokens that there are.
        depth: L, the number of layers.
        heads: H, the number of heads.
        width: D, the width of a token, a multiple of H.

    Raises:
        OptionError: the samples are no sequences, or the sizes do not fit.
    """

    def __init__(self, input_shape: Sequence[int], classes: int, depth: int, heads: int, width: int) -> None:
        super().__init__()
        name = f"GPT-{depth}-{heads}-{width}"
        if len(input_shape) != 1:
            raise OptionError(
                f"{name} takes sequences of tokens, not samples of shape {tuple(input_shape)}: give such data as "
                "tinyshakespeare"
            )
        if min(depth, heads, width) < 1 or width % heads:
            raise OptionError(
                f"{name}: give positive numbers of layers, heads and width, and a width that is a multiple of the heads"
            )
        if input_shape[0] == classes:
            # Logits [batch, classes, positions] are told from [batch, positions, classes] by their shape.
            raise OptionError(
                f"{name} for {classes} tokens and as many positions: give sequences of another length"
            )
        self.embedding = nn.Embedding(classes, width)
        self.positions = nn.Embedding(input_shape[0], width)
        self.blocks = nn.Sequential(*(Layer(width, heads, 4 * width, causal=True) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)
        for table in (self.embedding, self.positions):
            nn.init.normal_(table.weight, std=_EMBEDDED)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Compute the logits of the token behind each position.

        Args:
            inputs: numbers of tokens, [batch, positions], of as many positions as the network was built for or fewer.

        Returns:
            Logits, [batch, classes, positions], as torch's cross-entropy takes them.
        """
        places = torch.arange(inputs.shape[1], device=inputs.device)
        tokens = self.embedding(inputs) + self.positions(places)
        logits: torch.Tensor = self.head(self.norm(self.blocks(tokens)))
        return logits.transpose(1, 2)


#: Built by name for any numbers of layers and heads and any width, "gpt-L-H-D".
FAMILIES = {"gpt": GPT}

NETWORKS = (
    Entry(
        "gpt-2-4-64", partial(GPT, depth=2, heads=4, width=64), "GPT-2-4-64", "Radford et al. 2019", (64,), 65, 112_577,
        "torch",
        f"any L, H and D by name: L layers of H heads and width D, head not tied, no dropout; {TORCH}, embeddings "
        "N(0, 0.02^2)",
    ),
)  # fmt: skip
