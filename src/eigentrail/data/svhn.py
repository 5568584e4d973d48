"""SVHN, house numbers photographed from the street, from its MATLAB files or from Parquet files."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch

from eigentrail.data.dataset import Data, check_labels, int64_labels
from eigentrail.data.images import DIGITS, Part, make_images
from eigentrail.data.locate import Layout, find_folder
from eigentrail.data.parquet import read_part
from eigentrail.errors import DataError

_PARQUET = ("train-*.parquet", "test-*.parquet")
_MATLAB = ("train_32x32.mat", "test_32x32.mat")
LAYOUTS = (Layout(_MATLAB), Layout(_PARQUET, columns=("image", "label")))
_SIDE = 32


def load_svhn(path: str | os.PathLike[str] | None = None) -> Data:
    """Load SVHN's cropped digits: 73,257 training and 26,032 test colour images of 32 x 32 pixels.

    Each colour is normalised to mean 0 and variance 1 over the training set. The files' class 10 is the digit 0.

    Args:
        path: the folder of `train_32x32.mat` and `test_32x32.mat` or of Parquet files (columns `image` and `label`),
            or one that holds a folder `svhn` of them; None for the one named by EIGENTRAIL_DATA.

    Returns:
        The data set; samples have the shape (3, 32, 32), red, green and blue.
    """
    folder, layout = find_folder("svhn", LAYOUTS, path)
    if layout.files == _PARQUET:
        parts = [read_part(folder, glob, _SIDE, 10, "image", "label") for glob in _PARQUET]
    else:
        parts = [_read_matlab(folder / name) for name in _MATLAB]
    return make_images("svhn", parts[0], parts[1], DIGITS)


def _read_matlab(path: Path) -> Part:
    from scipy.io import loadmat

    try:
        content = loadmat(path, variable_names=("X", "y"))
    except Exception as error:
        # scipy tells of a damaged file in every way there is; its texts may run over several lines.
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise DataError(
            f"{path} cannot be read as a MATLAB file, is damaged or was cut short ({reason}): delete it "
            "and fetch it again"
        ) from error
    for name in ("X", "y"):
        if name not in content:
            raise DataError(f'{path} has no "{name}": give the files of the cropped digits')
        if not isinstance(content[name], np.ndarray):
            kind = type(content[name]).__name__
            raise DataError(f'"{name}" of {path} is a {kind}, no plain array: delete it and fetch it again')
    images, labels = content["X"], content["y"].ravel()
    if images.ndim != 4 or images.shape[:3] != (_SIDE, _SIDE, 3) or images.dtype != np.uint8:
        raise DataError(
            f'"X" of {path} has shape {images.shape} and type {images.dtype}, not {_SIDE} x {_SIDE} x 3 x n bytes'
        )
    if labels.dtype.kind not in "iu" or len(labels) != images.shape[3]:
        raise DataError(
            f"{path} holds {images.shape[3]} images and {len(labels)} labels of type {labels.dtype}: a whole number "
            "belongs to each image"
        )
    targets = torch.tensor(int64_labels(labels, str(path)))
    targets[targets == 10] = 0
    check_labels(targets, 10, str(path))
    return np.ascontiguousarray(images.transpose(3, 2, 0, 1)), targets
