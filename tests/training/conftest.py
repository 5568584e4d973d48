"""Small data and networks for trainings of a second."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

from eigentrail import data
from eigentrail.data import Data


@pytest.fixture(scope="session")
def digits() -> Data:
    return data.load("digits")


@pytest.fixture(scope="session")
def few(digits: Data) -> Data:
    """210 training and 50 test digits: eleven batches of 20, the last of 10."""
    return data.from_tensors(
        (digits.train_inputs[:210], digits.train_targets[:210]),
        (digits.test_inputs[:50], digits.test_targets[:50]),
        name="few digits",
    )


@pytest.fixture
def line() -> tuple[torch.Tensor, torch.Tensor]:
    """Seven samples of three numbers in four classes."""
    generator = torch.Generator().manual_seed(3)
    return torch.randn(7, 3, generator=generator, dtype=torch.float64), torch.tensor([0, 1, 2, 3, 0, 1, 2])
