"""MNIST and Fashion-MNIST from their idx files."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from eigentrail.data.dataset import Data, check_labels
from eigentrail.data.idx import read_idx
from eigentrail.data.locate import find_folder
from eigentrail.data.normalization import Normalization
from eigentrail.errors import DataError

FILES = (
    "train-images-idx3-ubyte*",
    "train-labels-idx1-ubyte*",
    "t10k-images-idx3-ubyte*",
    "t10k-labels-idx1-ubyte*",
)
_SIDE = 28
CLASS_NAMES = {
    "mnist": tuple("0123456789"),
    "fashion-mnist": (
        *("T-shirt", "trouser", "pullover", "dress", "coat"),
        *("sandal", "shirt", "sneaker", "bag", "ankle boot"),
    ),
}


def load_mnist(path: str | os.PathLike[str] | None = None) -> Data:
    """Load MNIST: 60,000 training and 10,000 test images of handwritten digits, 28 x 28 grey pixels.

    Pixels are normalised to mean 0 and variance 1 over the training set.

    Args:
        path: the folder of its four idx files (.gz or not) or one that holds a folder `mnist` of them; None for the
            one named by EIGENTRAIL_DATA.

    Returns:
        The data set; samples have the shape (1, 28, 28).
    """
    return _load("mnist", path)


def load_fashion_mnist(path: str | os.PathLike[str] | None = None) -> Data:
    """Load Fashion-MNIST: 60,000 training and 10,000 test images of clothes, 28 x 28 grey pixels.

    Pixels are normalised to mean 0 and variance 1 over the training set.

    Args:
        path: the folder of its four idx files (.gz or not) or one that holds a folder `fashion-mnist` of them; None
            for the one named by EIGENTRAIL_DATA.

    Returns:
        The data set; samples have the shape (1, 28, 28).
    """
    return _load("fashion-mnist", path)


def _load(name: str, path: str | os.PathLike[str] | None) -> Data:
    folder = find_folder(name, FILES, path)
    train_images, train_labels = _read_part(folder, *FILES[:2])
    test_images, test_labels = _read_part(folder, *FILES[2:])
    normalization = Normalization.of(train_images, scale=255)
    return Data(
        name=name,
        train_inputs=normalization.apply(train_images),
        train_targets=train_labels,
        test_inputs=normalization.apply(test_images),
        test_targets=test_labels,
        class_names=CLASS_NAMES[name],
        normalization=normalization,
        about="the original split; pixels have mean 0 and variance 1 over the training set",
    )


def _read_part(folder: Path, images_glob: str, labels_glob: str) -> tuple[NDArray[np.uint8], torch.Tensor]:
    images_path, labels_path = (min(folder.glob(glob)) for glob in (images_glob, labels_glob))
    images, labels = read_idx(images_path, ndim=3), read_idx(labels_path, ndim=1)
    if len(images) != len(labels):
        raise DataError(
            f"{images_path} holds {len(images)} images and {labels_path.name} {len(labels)} labels: they do not belong "
            "together"
        )
    if images.shape[1:] != (_SIDE, _SIDE):
        height, width = images.shape[1:]
        raise DataError(
            f"{images_path} holds images of {height} x {width} pixels where {_SIDE} x {_SIDE} belong"
        )
    targets = torch.tensor(labels, dtype=torch.int64)
    check_labels(targets, 10, str(labels_path))
    return images[:, None], targets
