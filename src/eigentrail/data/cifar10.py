"""CIFAR-10 from Parquet files in the Hugging Face schema."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from eigentrail.data.dataset import Data, check_labels
from eigentrail.data.locate import find_folder
from eigentrail.data.normalization import Normalization
from eigentrail.data.parquet import read_images
from eigentrail.errors import DataError

FILES = ("train-*.parquet", "test-*.parquet")
CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_SIDE = 32
_SHARD = re.compile(r"-(\d+)-of-(\d+)\.parquet$")


def load_cifar10(path: str | os.PathLike[str] | None = None) -> Data:
    """Load CIFAR-10: 50,000 training and 10,000 test colour images of 32 x 32 pixels.

    Each colour is normalised to mean 0 and variance 1 over the training set.

    Args:
        path: the folder of its Parquet files (`train-*.parquet`, `test-*.parquet`, columns `img` and `label`) or one
            that holds a folder `cifar10` of them; None for the one named by EIGENTRAIL_DATA.

    Returns:
        The data set; samples have the shape (3, 32, 32), red, green and blue.
    """
    folder = find_folder("cifar10", FILES, path)
    train_images, train_labels = _read_part(folder, FILES[0])
    test_images, test_labels = _read_part(folder, FILES[1])
    normalization = Normalization.of(train_images, scale=255)
    return Data(
        name="cifar10",
        train_inputs=normalization.apply(train_images),
        train_targets=train_labels,
        test_inputs=normalization.apply(test_images),
        test_targets=test_labels,
        class_names=CLASS_NAMES,
        normalization=normalization,
        about="the original split; each colour has mean 0 and variance 1 over the training set",
    )


def _read_part(folder: Path, glob: str) -> tuple[NDArray[np.uint8], torch.Tensor]:
    files = sorted(folder.glob(glob))
    shards = [match for path in files if (match := _SHARD.search(path.name))]
    for total in {int(match[2]) for match in shards}:
        there = {int(match[1]) for match in shards if int(match[2]) == total}
        if lacking := sorted(set(range(total)) - there):
            raise DataError(
                f"{folder} holds {len(there)} of the {total} files {glob}: number {lacking[0]} is missing"
            )
    images, labels = read_images(files, _SIDE)
    targets = torch.from_numpy(labels)
    check_labels(targets, len(CLASS_NAMES), f"{folder / glob}")
    return images, targets
