"""The real data sets: shapes, label counts, pixels that everybody knows, published means."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from eigentrail import data
from eigentrail.data import Data
from eigentrail.data.parquet import read_images


def raw(inputs: torch.Tensor, of: Data) -> torch.Tensor:
    assert of.normalization is not None
    return of.normalization.undo(inputs)


def test_digits_need_no_files_and_are_split_once_for_all() -> None:
    from sklearn.datasets import load_digits

    loaded, bunch = data.load("digits"), load_digits()
    assert loaded.train_inputs.shape == (1440, 1, 8, 8)
    assert loaded.test_inputs.shape == (357, 1, 8, 8)
    # The tenth to fiftieth image and so on: blocks 4, 9, 14, ... of ten are held out.
    assert torch.equal(raw(loaded.test_inputs[:10], loaded)[:, 0], torch.tensor(bunch.images[40:50]).byte())
    assert loaded.test_targets[:10].tolist() == bunch.target[40:50].tolist()
    assert torch.equal(
        raw(loaded.train_inputs[38:42], loaded)[:, 0], torch.tensor(bunch.images[[38, 39, 50, 51]]).byte()
    )
    counts = torch.bincount(loaded.train_targets) + torch.bincount(loaded.test_targets)
    assert counts.tolist() == np.bincount(bunch.target).tolist()
    assert torch.bincount(loaded.test_targets).min() >= 30
    assert loaded.train_inputs.mean().item() == pytest.approx(0, abs=1e-6)
    assert loaded.train_inputs.std(correction=0).item() == pytest.approx(1, abs=1e-6)
    assert loaded.fingerprint == data.load("digits").fingerprint


def test_mnist(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EIGENTRAIL_DATA", str(data_root))
    loaded = data.load("mnist")
    assert loaded.train_inputs.shape == (60_000, 1, 28, 28)
    assert loaded.test_inputs.shape == (10_000, 1, 28, 28)
    assert loaded.train_targets[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert loaded.test_targets[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert torch.bincount(loaded.train_targets).tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949,
    ]  # fmt: skip
    assert torch.bincount(loaded.test_targets).tolist() == [
        980,
        1135,
        1032,
        1010,
        982,
        892,
        958,
        1028,
        974,
        1009,
    ]
    first = raw(loaded.train_inputs[:1], loaded)[0, 0]
    assert first[5, 12:24].tolist() == [3, 18, 18, 18, 126, 136, 175, 26, 166, 255, 247, 127]
    assert loaded.normalization.mean == pytest.approx((0.1307,), abs=5e-5)
    assert loaded.normalization.std == pytest.approx((0.3081,), abs=5e-5)


def test_fashion_mnist_from_its_own_folder(data_root: Path) -> None:
    loaded = data.load("Fashion MNIST", data_root / "fashion-mnist")
    assert loaded.name == "fashion-mnist"
    assert loaded.train_targets[:10].tolist() == [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]
    assert torch.bincount(loaded.train_targets).tolist() == [6000] * 10
    assert torch.bincount(loaded.test_targets).tolist() == [1000] * 10
    assert loaded.class_names[int(loaded.train_targets[0])] == "ankle boot"
    assert loaded.normalization.mean == pytest.approx((0.2860,), abs=5e-5)
    assert loaded.normalization.std == pytest.approx((0.3530,), abs=5e-5)


def test_the_test_images_of_cifar10(data_root: Path) -> None:
    images, labels = read_images([data_root / "cifar10" / "test-00000-of-00001.parquet"], 32)
    assert images.shape == (10_000, 3, 32, 32)
    assert labels[:10].tolist() == [3, 8, 8, 0, 6, 6, 1, 6, 3, 1]
    # The first test cat's first two pixels, [red, green, blue].
    assert images[0, :, 0, :2].T.tolist() == [[158, 112, 49], [159, 111, 47]]


@pytest.mark.slow
def test_cifar10(data_root: Path) -> None:
    cifar10 = data.load("cifar10", data_root)
    assert cifar10.train_inputs.shape == (50_000, 3, 32, 32)
    assert cifar10.test_inputs.shape == (10_000, 3, 32, 32)
    assert cifar10.train_targets[:10].tolist() == [6, 9, 9, 4, 1, 1, 2, 7, 8, 3]
    assert cifar10.test_targets[:10].tolist() == [3, 8, 8, 0, 6, 6, 1, 6, 3, 1]
    assert torch.bincount(cifar10.train_targets).tolist() == [5000] * 10
    assert torch.bincount(cifar10.test_targets).tolist() == [1000] * 10
    # The frog's first two pixels and the first test cat's, [red, green, blue].
    assert raw(cifar10.train_inputs[:1], cifar10)[0, :, 0, :2].T.tolist() == [[59, 62, 63], [43, 46, 45]]
    assert raw(cifar10.test_inputs[:1], cifar10)[0, :, 0, :2].T.tolist() == [[158, 112, 49], [159, 111, 47]]
    assert cifar10.normalization.mean == pytest.approx((0.4914, 0.4822, 0.4465), abs=5e-5)
    assert cifar10.normalization.std == pytest.approx((0.2470, 0.2435, 0.2616), abs=5e-5)
