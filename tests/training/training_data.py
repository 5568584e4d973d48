"""Data sets that the tests of training name by import path."""

from __future__ import annotations

from eigentrail import data
from eigentrail.data import Data


def noisy() -> Data:
    return data.label_noise(data.take(data.load("digits"), 64, 10), 0.5)
