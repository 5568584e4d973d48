"""Linearly separable data, and images in the form of another network."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from eigentrail import data
from eigentrail.data.separable import MARGIN
from eigentrail.errors import DataError


def test_the_margin_is_planted() -> None:
    found = data.load("separable")
    assert found.train_targets.bincount().tolist() == [200] * 10
    assert found.test_targets.bincount().tolist() == [100] * 10
    chance = np.random.default_rng(0)
    directions = torch.tensor(np.linalg.qr(chance.standard_normal((50, 10)))[0], dtype=torch.float32)
    for inputs, targets in (
        (found.train_inputs, found.train_targets),
        (found.test_inputs, found.test_targets),
    ):
        scores = inputs @ directions
        own = scores.gather(1, targets[:, None])
        gaps = (own - scores).scatter(1, targets[:, None], torch.inf)
        assert float(gaps.min()) >= MARGIN - 1e-5
        assert float(gaps.min()) < MARGIN + 0.1
    assert data.load("separable").fingerprint == found.fingerprint


def test_digits_as_images_for_a_network_of_colours() -> None:
    digits = data.take(data.load("digits"), 20, 5)
    found = data.for_images(digits)
    assert found.input_shape == (3, 32, 32)
    raw = digits.normalization.undo(digits.train_inputs).float() / 16
    for channel, (mean, std) in enumerate(zip((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True)):
        back = found.train_inputs[:, channel] * std + mean
        torch.testing.assert_close(back[:, ::4, ::4], raw[:, 0], atol=1e-5, rtol=0)
        torch.testing.assert_close(back[:, 3::4, 3::4], raw[:, 0], atol=1e-5, rtol=0)
    assert data.rebuild(found.describe()).fingerprint == found.fingerprint
    padded = data.for_images(digits, side=10)
    assert float(padded.train_inputs[:, 0, 0].max()) == pytest.approx(-0.485 / 0.229)


def test_what_cannot_be_brought_there() -> None:
    digits = data.load("digits")
    with pytest.raises(DataError, match="do not fit"):
        data.for_images(digits, side=4)
    with pytest.raises(DataError, match="raw pixels are not known"):
        data.for_images(data.from_tensors((torch.rand(4, 1, 3, 3), torch.arange(4) % 2)))
