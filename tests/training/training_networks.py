"""Networks that the tests of training name by import path, also in processes of their own."""

from __future__ import annotations

import os
import time

import torch
from torch import nn


class Chancy(nn.Module):
    """Batch norm (buffers) and dropout (random numbers while training), as slow as EIGENTRAIL_TEST_DELAY says."""

    def __init__(self, input_shape, classes):
        super().__init__()
        self.inner = nn.Linear(input_shape[0] * input_shape[1] * input_shape[2], 12)
        self.norm = nn.BatchNorm1d(12)
        self.drop = nn.Dropout(0.3)
        self.outer = nn.Linear(12, classes)
        self.delay = float(os.environ.get("EIGENTRAIL_TEST_DELAY", "0"))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        time.sleep(self.delay * self.training)
        return self.outer(self.drop(torch.tanh(self.norm(self.inner(x.flatten(1))))))


class Stack(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x):
        return {"logits": self.scale * x.flatten(1)}


def three_classes(classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 3))


def wants_colour():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(144, 10))


def frozen():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10)).requires_grad_(False)
