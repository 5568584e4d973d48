"""Collapse over the epochs of a real convolutional network on Fashion-MNIST (needs EIGENTRAIL_DATA)."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from torch import nn

import eigentrail as et


def network() -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(1, 32, 3, padding=1), relu1=nn.ReLU(), pool1=nn.MaxPool2d(2),
            conv2=nn.Conv2d(32, 64, 3, padding=1), relu2=nn.ReLU(), pool2=nn.MaxPool2d(2),
            flat=nn.Flatten(), fc1=nn.Linear(3136, 128), relu3=nn.ReLU(), fc2=nn.Linear(128, 10),
        )
    )  # fmt: skip


@pytest.mark.slow
def test_nc1_falls_and_d_rises_long_before_the_terminal_phase(checkpoints: Path) -> None:
    data, count = et.data.load("fashion-mnist"), 1000
    low, high = data.train_inputs.min(), data.train_inputs.max()
    # The source's pixels run from 0 to 1.
    inputs = (data.train_inputs[:count] - low) / (high - low)
    run = et.open_run(checkpoints / "fashion-cnn-trajectory")
    found = et.features.collapse_over_steps(
        run,
        data=(inputs, data.train_targets[:count]),
        layers="fc2:input",
        steps=[1, 7],
        samples=count,
        model=network(),
    )
    assert found.attrs["terminal_step"] == -1 and found["accuracy"].values[-1] < 1.0
    # Of 2000 training images 7.6 and 5.7, and .32 and .52: collapse by one measure is none by the other.
    nc1, d = (found[name].sel(layer="fc2:input", part="train").values for name in ("nc1", "d"))
    np.testing.assert_allclose(nc1, [7.6, 5.7], rtol=0.2)
    np.testing.assert_allclose(d, [0.32, 0.52], rtol=0.15)
