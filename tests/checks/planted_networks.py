"""Small networks that look trained, and untrained."""

from __future__ import annotations

import torch

Weights = dict[str, torch.Tensor]


def trained_like(blocks: int = 4, width: int = 64, seed: int = 0) -> Weights:
    """A small transformer in GPT-2's names: noise of the initialisation, and what a training leaves in each matrix."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {
        "attn.q": (width, width), "attn.k": (width, width), "attn.v": (width, width), "attn.c_proj": (width, width),
        "mlp.c_fc": (4 * width, width), "mlp.c_proj": (width, 4 * width),
    }  # fmt: skip
    weights = {}
    for block in range(blocks):
        for name, (n, m) in shapes.items():
            w = 0.02 * torch.randn(n, m, generator=generator)
            left = torch.randn(n, 6, generator=generator)
            right = torch.randn(6, m, generator=generator)
            strengths = 0.02 * torch.tensor([1.0, 0.7, 0.5, 0.4, 0.3, 0.2])[:, None]
            weights[f"h.{block}.{name}.weight"] = w + left @ (strengths * right)
    return weights


def untrained(blocks: int = 4, width: int = 64, seed: int = 0) -> Weights:
    """The same network before training."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: 0.02 * torch.randn(w.shape, generator=generator)
        for name, w in trained_like(blocks, width, seed).items()
    }
