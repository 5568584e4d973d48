"""The network of the run that an earlier version recorded, and the weights that it had at every step."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

#: A run of ten steps in format 1: one node for each tensor, bfloat16 as float32, chunk files of full size.
FORMAT_1 = Path(__file__).parent / "fixtures" / "run_format_1.zip"


class Old(nn.Module):
    """A convolution, a linear layer with a tied twin, a layer in bfloat16, a scalar and a slashed name."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)
        self.fc = nn.Linear(4, 3)
        self.twin = nn.Linear(4, 3, bias=False)
        self.twin.weight = self.fc.weight
        self.half = nn.Linear(2, 2, bias=False).bfloat16()
        self.add_module("a/b", nn.Linear(2, 1))
        self.scale = nn.Parameter(torch.tensor(2.0))
        set_at(self, 0)


def value_at(shape: tuple[int, ...], step: int) -> np.ndarray:
    """Numbers that every precision holds: eighths that tell the step and the place."""
    return ((np.arange(int(np.prod(shape, dtype=int)), dtype=np.float32) + step) / 8).reshape(shape)


def set_at(model: nn.Module, step: int) -> None:
    """Give a network the weights of a step."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.from_numpy(value_at(tuple(parameter.shape), step)))
