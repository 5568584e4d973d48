"""MNIST and Fashion-MNIST from their idx files, or from Parquet files in the Hugging Face schema."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from eigentrail.data.dataset import Data, check_labels
from eigentrail.data.idx import read_idx
from eigentrail.data.images import DIGITS, make_images
from eigentrail.data.locate import Layout, find_folder
from eigentrail.data.parquet import read_part
from eigentrail.errors import DataError

FILES = (
    "train-images-idx3-ubyte*",
    "train-labels-idx1-ubyte*",
    "t10k-images-idx3-ubyte*",
    "t10k-labels-idx1-ubyte*",
)
_PARQUET = ("train-*.parquet", "test-*.parquet")
LAYOUTS = (Layout(FILES), Layout(_PARQUET, columns=("image", "label")))
_SIDE = 28
CLASS_NAMES = {
    "mnist": DIGITS,
    "fashion-mnist": (
        *("T-shirt", "trouser", "pullover", "dress", "coat"),
        *("sandal", "shirt", "sneaker", "bag", "ankle boot"),
    ),
}


def load_mnist(path: str | os.PathLike[str] | None = None) -> Data:
    """Load MNIST: 60,000 training and 10,000 test images of handwritten digits, 28 x 28 grey pixels.

    Pixels are normalised to mean 0 and variance 1 over the training set.

    Args:
        path: the folder of its four idx files (.gz or not) or of Parquet files (columns `image` and `label`), or one
            that holds a folder of the data set's name with them; None for the one named by EIGENTRAIL_DATA.

    Returns:
        The data set; samples have the shape (1, 28, 28).
    """
    return _load("mnist", path)


def load_fashion_mnist(path: str | os.PathLike[str] | None = None) -> Data:
    """Load Fashion-MNIST: 60,000 training and 10,000 test images of clothes, 28 x 28 grey pixels.

    Pixels are normalised to mean 0 and variance 1 over the training set.

    Args:
        path: the folder of its four idx files (.gz or not) or of Parquet files (columns `image` and `label`), or one
            that holds a folder of the data set's name with them; None for the one named by EIGENTRAIL_DATA.

    Returns:
        The data set; samples have the shape (1, 28, 28).
    """
    return _load("fashion-mnist", path)


def _load(name: str, path: str | os.PathLike[str] | None) -> Data:
    folder, layout = find_folder(name, LAYOUTS, path)
    if layout.files == _PARQUET:
        parts = [read_part(folder, glob, _SIDE, 10, "image", "label", "L") for glob in _PARQUET]
    else:
        parts = [_read_part(folder, *FILES[:2]), _read_part(folder, *FILES[2:])]
    return make_images(name, parts[0], parts[1], CLASS_NAMES[name])


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
