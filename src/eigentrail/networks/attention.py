"""Layers of transformers: self-attention, and the dense part behind it."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


class Attention(nn.Module):
    """Self-attention with one matrix for queries, keys and values.

    Args:
        width: of a token.
        heads: the number of heads.
        causal: True to let a token see itself and those before it only.
    """

    def __init__(self, width: int, heads: int, causal: bool = False) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Let the tokens attend to each other.

        Args:
            tokens: [batch, tokens, width].

        Returns:
            [batch, tokens, width].
        """
        batch, count, width = tokens.shape
        parts = self.qkv(tokens).view(batch, count, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=self.causal)
        out: torch.Tensor = self.proj(mixed.transpose(1, 2).reshape(batch, count, width))
        return out


class Layer(nn.Module):
    """Attention, then two dense layers with GELU between and dropout behind each; layer norm before either part.

    Args:
        width: of a token.
        heads: the number of heads.
        hidden: the width between the dense layers.
        dropout: the share that is dropped in training.
        causal: True to let a token see itself and those before it only.
    """

    def __init__(
        self, width: int, heads: int, hidden: int, dropout: float = 0.0, causal: bool = False
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = Attention(width, heads, causal)
        self.norm2 = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Compute the layer.

        Args:
            tokens: [batch, tokens, width].

        Returns:
            [batch, tokens, width].
        """
        tokens = tokens + self.attn(self.norm1(tokens))
        hidden = self.dropout(F.gelu(self.fc1(self.norm2(tokens))))
        out: torch.Tensor = tokens + self.dropout(self.fc2(hidden))
        return out
