"""Small networks with fixed weights and samples, for the tests and for the script that asks the peers about them.

Everything is drawn by numpy's generator, so that both sides have the same numbers whatever torch they run on.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


class Attention(nn.Module):
    """One block of self-attention over tokens, pooled and classified."""

    def __init__(self, width: int, heads: int, classes: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.head = nn.Linear(width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, tokens, width = x.shape
        parts = self.qkv(x).reshape(batch, tokens, 3, self.heads, width // self.heads)
        q, k, v = parts.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, tokens, width)
        return self.head(self.norm(x + self.out(mixed)).mean(dim=1))


class Residual(nn.Module):
    """A residual block of convolutions with BatchNorm, whose running statistics are not trivial."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 3, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(3)
        self.second = nn.Conv2d(3, 3, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(3)
        self.head = nn.Linear(3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.gelu(self.norm1(self.first(x)))
        y = F.gelu(y + self.norm2(self.second(y)))
        return self.head(y.mean(dim=(2, 3)))


@dataclass(frozen=True)
class Case:
    """A network at a point, with its loss and samples; the last of the batches is short."""

    model: nn.Module
    loss: nn.Module
    inputs: torch.Tensor
    targets: torch.Tensor
    batch_size: int

    @property
    def n(self) -> int:
        """Number of parameters."""
        return sum(p.numel() for p in self.model.parameters())

    def batches(self) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """The samples a batch at a time."""
        return list(zip(self.inputs.split(self.batch_size), self.targets.split(self.batch_size), strict=True))


def _mlp(*widths: int, act: type[nn.Module]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for i in range(len(widths) - 1):
        layers += [nn.Linear(widths[i], widths[i + 1]), act()]
    return nn.Sequential(*layers[:-1])


def _convolution() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 3, 3, stride=2, padding=1),
        nn.Tanh(),
        nn.Conv2d(3, 2, 2),
        nn.GELU(),
        nn.Flatten(),
        nn.Linear(8, 3),
    )


def _normed() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 7), nn.LayerNorm(7), nn.Tanh(), nn.Linear(7, 4))


_BUILDERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], int]] = {
    "logistic": (lambda: nn.Sequential(nn.Linear(7, 4)), (7,), 4),
    "relu": (lambda: _mlp(6, 8, 7, 4, act=nn.ReLU), (6,), 4),
    "tanh": (lambda: _mlp(6, 8, 7, 4, act=nn.Tanh), (6,), 4),
    "gelu": (lambda: _mlp(6, 8, 7, 4, act=nn.GELU), (6,), 4),
    "regression": (lambda: _mlp(5, 6, 3, act=nn.Tanh), (5,), 0),
    "binary": (lambda: _mlp(5, 6, 3, act=nn.GELU), (5,), -1),
    "convolution": (_convolution, (2, 6, 6), 3),
    "residual": (Residual, (2, 5, 5), 3),
    "layer_norm": (_normed, (6,), 4),
    "attention": (lambda: Attention(6, 2, 3), (5, 6), 3),
}
NAMES = tuple(_BUILDERS)
#: Where curvlinops 3.0.1 on torch 2.13 gives a wrong Hessian: forward derivatives of `torch.func.jacrev` through
#: LayerNorm with weights are wrong there (those of `torch.func.grad` are not).
PEER_IS_WRONG = ("layer_norm",)


def build(name: str) -> Case:
    """Make a case: float64, weights and samples drawn by numpy from a seed of the name."""
    make, shape, classes = _BUILDERS[name]
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    model = make().double().eval()
    count, batch_size = 22, 8
    with torch.no_grad():
        for key, tensor in model.state_dict().items():
            if not tensor.is_floating_point():
                continue
            fan = max(1, int(np.prod(tensor.shape[1:])))
            drawn = rng.standard_normal(tuple(tensor.shape)) * (
                1.5 / np.sqrt(fan) if tensor.ndim > 1 else 0.3
            )
            if ("norm" in key or (tensor.ndim == 1 and key.endswith("weight"))) and key.endswith(
                ("weight", "running_var")
            ):
                drawn = 1.0 + 0.5 * np.abs(drawn)
            tensor.copy_(torch.from_numpy(drawn))
    inputs = torch.from_numpy(rng.standard_normal((count, *shape)))
    if classes > 0:
        return Case(
            model,
            nn.CrossEntropyLoss(),
            inputs,
            torch.from_numpy(rng.integers(classes, size=count)),
            batch_size,
        )
    targets = torch.from_numpy(rng.standard_normal((count, 3)))
    if classes < 0:
        return Case(model, nn.BCEWithLogitsLoss(), inputs, (targets > 0).double(), batch_size)
    return Case(model, nn.MSELoss(), inputs, targets, batch_size)


def vectors(n: int, k: int = 3) -> np.ndarray:
    """Fixed vectors [k, n] to multiply with."""
    return np.random.default_rng(7).standard_normal((k, n))
