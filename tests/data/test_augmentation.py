"""Crops, mirrorings and rotations: known answers, both readings, chance that can be repeated."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import ndimage, stats

from eigentrail import data
from eigentrail.data import Augmentation, black_of
from eigentrail.data.augmentation import _rotated
from eigentrail.errors import DataError, OptionError
from eigentrail.training import TrainingSettings


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(count: int = 5, height: int = 8, width: int = 8) -> torch.Tensor:
    return torch.rand(count, 3, height, width, generator=chance(99), dtype=torch.float64)


def test_crops_are_windows_of_the_padded_image_and_all_are_met() -> None:
    one = images(1)
    batch = one.expand(4000, -1, -1, -1)
    black = torch.tensor([-1.0, -2.0, -3.0], dtype=torch.float64)
    cropped = Augmentation(crop=2, flip=False).apply(batch, chance(), black)
    padded = black[:, None, None].expand(3, 12, 12).clone()
    padded[:, 2:10, 2:10] = one[0]
    windows = {(i, j): padded[:, i : i + 8, j : j + 8] for i in range(5) for j in range(5)}
    counts = dict.fromkeys(windows, 0)
    for image in cropped:
        place = next(key for key, window in windows.items() if torch.allclose(window, image))
        counts[place] += 1
    assert stats.chisquare(list(counts.values())).pvalue > 1e-4


def test_half_of_the_images_are_mirrored() -> None:
    batch = images(1).expand(2000, -1, -1, -1)
    flipped = Augmentation(crop=0).apply(batch, chance())
    mirrored = torch.stack([torch.equal(each, batch[0].flip(2)) * torch.ones(()) for each in flipped])
    unchanged = torch.stack([torch.equal(each, batch[0]) * torch.ones(()) for each in flipped])
    assert bool((mirrored + unchanged == 1).all())
    assert abs(mirrored.mean().item() - 0.5) < 5 * 0.5 / math.sqrt(2000)


@pytest.mark.parametrize("shape", [(8, 8), (6, 9)])
def test_quarter_turns_and_half_turns_are_exact(shape: tuple[int, int]) -> None:
    batch = images(1, *shape)
    half = _rotated(batch, torch.tensor([180.0], dtype=torch.float64))
    torch.testing.assert_close(half, batch.flip(2, 3), rtol=1e-9, atol=1e-9)
    if shape[0] == shape[1]:
        quarter = _rotated(batch, torch.tensor([90.0], dtype=torch.float64))
        torch.testing.assert_close(quarter.squeeze(), batch.rot90(1, (2, 3)).squeeze(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("angle", [15.0, -40.0])
@pytest.mark.parametrize("shape", [(16, 16), (12, 20)])
def test_rotation_is_scipys_inside(angle: float, shape: tuple[int, int]) -> None:
    smooth = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal(shape), 2)
    ours = _rotated(torch.tensor(smooth)[None, None], torch.tensor([angle], dtype=torch.float64))[
        0, 0
    ].numpy()
    theirs = ndimage.rotate(smooth, angle, reshape=False, order=1)
    inner = (slice(4, -4), slice(4, -4))
    np.testing.assert_allclose(ours[inner], theirs[inner], atol=1e-9)


def test_both_readings_of_the_rotation() -> None:
    steps = Augmentation(rotation="steps").angles(24_000, chance())
    assert steps.unique().tolist() == [15.0 * k for k in range(1, 25)]
    assert stats.chisquare(torch.bincount(steps.long() // 15)[1:].numpy()).pvalue > 1e-4
    within = Augmentation(rotation="range").angles(20_000, chance())
    assert stats.kstest(within.numpy(), stats.uniform(-15, 30).cdf).pvalue > 1e-4


@pytest.mark.parametrize("rotation", ["none", "steps", "range"])
def test_the_same_generator_gives_the_same_images_and_the_originals_stay(rotation: str) -> None:
    batch = images()
    kept = batch.clone()
    augment = Augmentation(rotation=rotation)
    first, again, other = (augment.apply(batch, chance(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(batch, kept)
    assert first.shape == batch.shape
    assert first.dtype == batch.dtype


def test_nothing_changes_nothing() -> None:
    batch = images()
    assert torch.equal(Augmentation(crop=0, flip=False).apply(batch, chance()), batch)


def test_black_is_the_raw_zero() -> None:
    digits = data.load("digits")
    black = black_of(digits)
    raw = digits.normalization.undo(black[None, :, None, None].double())
    assert raw.flatten().tolist() == [0]
    assert black_of(data.from_tensors((torch.zeros(2, 3), torch.tensor([0, 1])))) is None


def test_samples_that_are_no_images_are_refused() -> None:
    with pytest.raises(DataError, match=r"samples of shape \(4,\) cannot be cropped"):
        Augmentation().apply(torch.zeros(2, 4), chance())
    with pytest.raises(OptionError, match=r"Augmentation\(rotation='sideways'\) cannot be used"):
        TrainingSettings(augmentation={"rotation": "sideways"})
