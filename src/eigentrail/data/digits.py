"""The handwritten digits that ship inside scikit-learn."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from eigentrail.data.dataset import Data
from eigentrail.data.normalization import Normalization

_BLOCK = 10
_TEST_EVERY = 5


def load_digits() -> Data:
    """Load 1797 images of 8 x 8 pixels in 16 grey levels, ten classes (UCI optical digits, test part).

    The split is fixed: in their order, every fifth block of ten images is held out (1440 training and 357 test images;
    the writers came one after another and wrote the digits in turn, so both parts hold all of them). Pixels are
    normalised to mean 0 and variance 1 over the training part.

    Returns:
        The data set; samples have the shape (1, 8, 8).
    """
    table = _table()
    images = table[:, :-1].reshape(-1, 1, 8, 8)
    targets = torch.tensor(table[:, -1], dtype=torch.int64)
    held_out = np.arange(len(images)) // _BLOCK % _TEST_EVERY == _TEST_EVERY - 1
    normalization = Normalization.of(images[~held_out], scale=16)
    mask = torch.from_numpy(held_out)
    return Data(
        name="digits",
        train_inputs=normalization.apply(images[~held_out]),
        train_targets=targets[~mask],
        test_inputs=normalization.apply(images[held_out]),
        test_targets=targets[mask],
        class_names=tuple("0123456789"),
        normalization=normalization,
        about="scikit-learn's digits; every fifth block of ten images is held out; pixels have mean 0 and variance 1 "
        "over the training part",
    )


def _table() -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Read the digits: a row per image, its 64 pixels and its class."""
    package = find_spec("sklearn")
    # Read as the file it is, since importing scikit-learn takes longer than to train on what it holds.
    if package is not None and package.origin is not None:
        file = Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz"
        if file.is_file():
            return np.loadtxt(file, delimiter=",", dtype=np.uint8)
    from sklearn import datasets

    bunch = datasets.load_digits()
    return np.column_stack([bunch.data, bunch.target]).astype(np.uint8)
